// A stream of server-sent events of one page, such as the output of a run.

import { call } from "./client";
import { SseParser } from "./live";

export async function follow<T>(where: string, signal: AbortSignal, heard: (value: T) => void): Promise<void> {
  const response = await call(where, { signal });
  if (!response.ok || response.body === null) throw new Error(`no stream: ${response.status}`);
  const parser = new SseParser();
  const reader = response.body.pipeThrough(new TextDecoderStream()).getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    for (const { data } of parser.push(value)) heard(JSON.parse(data) as T);
  }
}
