// Server-sent events, read with `fetch` and not with `EventSource`, because that does not tell an ended session from a cut
// line. One reader for every stream.

import { ApiError, call, problemOf } from "./client";

export interface Message { id?: string; data: string }

/** Nothing for so long, though the server says something every 15 s: the line is cut. */
const SILENCE_MS = 40_000;

/** Takes apart server-sent events; what is not complete yet is kept for the next piece. */
export class SseParser {
  private rest = "";
  push(piece: string): Message[] {
    const blocks = (this.rest + piece).replace(/\r\n?/g, "\n").split("\n\n");
    this.rest = blocks.pop() ?? "";
    const found: Message[] = [];
    for (const block of blocks) {
      let id: string | undefined;
      const data: string[] = [];
      for (const line of block.split("\n")) {
        if (line.startsWith("id:")) id = line.slice(3).trim();
        else if (line.startsWith("data:")) data.push(line.slice(line[5] === " " ? 6 : 5));
      }
      if (data.length > 0) found.push(id === undefined ? { data: data.join("\n") } : { id, data: data.join("\n") });
    }
    return found;
  }
}

/** How long to wait before the next try, in milliseconds: longer each time, never the same for all. */
export function backoff(tries: number, random: number): number {
  return Math.min(10_000, 500 * 2 ** Math.min(tries, 10)) * (0.5 + random / 2);
}

/** Reads a stream to its end, in the pieces that come together. Fails where the line is cut, which silence shows, too. */
export async function follow(where: string, signal: AbortSignal, heard: (messages: Message[]) => void, opened?: () => void): Promise<void> {
  const abort = new AbortController();
  const stop = (): void => abort.abort();
  if (signal.aborted) return;
  signal.addEventListener("abort", stop);
  let timer = setTimeout(stop, SILENCE_MS);
  try {
    const response = await call(where, { signal: abort.signal });
    if (!response.ok || response.body === null) throw new ApiError(await problemOf(response));
    opened?.();
    const parser = new SseParser();
    const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
    for (;;) {
      clearTimeout(timer);
      timer = setTimeout(stop, SILENCE_MS);
      const { done, value } = await reader.read();
      if (done) return;
      const messages = parser.push(value);
      if (messages.length > 0) heard(messages);
    }
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", stop);
  }
}
