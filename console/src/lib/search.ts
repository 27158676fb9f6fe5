// The state of a page as its address holds it: each value is checked, and what is not understood is left out.

type Raw = Record<string, unknown>;

export const text = (raw: Raw, key: string): string | undefined => {
  const value = raw[key];
  if (typeof value === "string" && value !== "") return value;
  return typeof value === "number" ? String(value) : undefined;
};

export const flag = (raw: Raw, key: string): true | undefined => (raw[key] === true || raw[key] === "true" || raw[key] === 1 ? true : undefined);

export const whole = (raw: Raw, key: string): number | undefined => {
  const value = Number(raw[key]);
  return raw[key] !== undefined && raw[key] !== "" && Number.isInteger(value) ? value : undefined;
};

export function oneOf<T extends string>(raw: Raw, key: string, values: readonly T[]): T | undefined {
  return values.find((value) => value === raw[key]);
}

export const list = (raw: Raw, key: string, most = 20): string[] | undefined => {
  const value = raw[key];
  const all = Array.isArray(value) ? value : value === undefined ? [] : [value];
  const texts = all.filter((one): one is string => typeof one === "string").slice(0, most);
  return texts.length > 0 ? texts : undefined;
};

/** Without the keys that have no value, so that an address stays short. */
export function clean<T extends Raw>(search: T): { [K in keyof T]?: Exclude<T[K], undefined> } {
  return Object.fromEntries(Object.entries(search).filter(([, value]) => value !== undefined)) as { [K in keyof T]?: Exclude<T[K], undefined> };
}
