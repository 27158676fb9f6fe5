// How well a name fits what was typed: its letters in order, better at the beginnings of words and in a row.

export function score(wanted: string, name: string): number {
  const text = name.toLowerCase();
  let points = 0;
  for (const piece of wanted.toLowerCase().split(/\s+/).filter(Boolean)) {
    const one = scorePiece(piece, text);
    if (one === 0) return 0;
    points += one;
  }
  return points === 0 ? 0 : points + 10 / (10 + name.length);
}

function scorePiece(wanted: string, text: string): number {
  const direct = text.indexOf(wanted);
  if (direct >= 0) return 20 + wanted.length * 2 + (direct === 0 ? 15 : isStart(text, direct) ? 10 : 0);
  let at = -1;
  let points = 0;
  let row = 0;
  for (const letter of wanted) {
    const next = text.indexOf(letter, at + 1);
    if (next < 0) return 0;
    row = next === at + 1 ? row + 1 : 0;
    points += 1 + row + (isStart(text, next) ? 2 : 0);
    // Letters that lie far apart are no match that people see.
    if (at >= 0 && next - at > 12) return 0;
    at = next;
  }
  return points;
}

function isStart(text: string, at: number): boolean {
  return at === 0 || /[^a-z0-9]/.test(text[at - 1] ?? " ");
}
