// What a tab of the browser keeps, as far as the browser lets it: where it keeps nothing for us, or is full, nothing fails.

/** The text that is kept under a key. */
export function kept(key: string): string | null {
  try {
    return window.sessionStorage.getItem(key);
  } catch {
    return null;
  }
}

/** Keeps a text, or with null forgets it. Says whether that was possible. */
export function keep(key: string, text: string | null): boolean {
  try {
    if (text === null) window.sessionStorage.removeItem(key);
    else window.sessionStorage.setItem(key, text);
    return true;
  } catch {
    return false;
  }
}

/** The keys under which something is kept. */
export function keptKeys(): string[] {
  try {
    return Object.keys(window.sessionStorage);
  } catch {
    return [];
  }
}
