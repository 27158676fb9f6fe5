// Whether each event names the hash of the one before it, as far as both are there.

interface Chain { links: number; broken?: number }

export function checkChain(events: { seq: number; hash: string; prev_hash: string }[]): Chain {
  let links = 0;
  const sorted = [...events].sort((a, b) => a.seq - b.seq);
  for (let n = 1; n < sorted.length; n += 1) {
    const [before, event] = [sorted[n - 1], sorted[n]];
    if (!before || !event || event.seq !== before.seq + 1) continue;
    if (event.prev_hash !== before.hash) return { links, broken: event.seq };
    links += 1;
  }
  return { links };
}
