// Text of other people and of programs as it is safe to look at.

const TURNS = /[\u202a-\u202e\u2066-\u2069]/g;

/** Characters that turn the order of others round are named instead: `exe.png` may be a `gnp.exe`, and what stands after it must not be
    turned round with it. Text that is written from right to left needs none of them. */
export function visible(text: string): string {
  return text.replace(TURNS, (turn) => `[U+${turn.charCodeAt(0).toString(16).toUpperCase()}]`);
}

const ESCAPES = /\u001b(?:\[[0-9;:?]*[ -/]*[@-~]|\][^\u0007\u001b]*(?:\u0007|\u001b\\)|[@-Z\\-_])/g;

/** What a program writes for a terminal, without the colours and moves. */
export function withoutEscapes(text: string): string {
  return text.replace(ESCAPES, "");
}
