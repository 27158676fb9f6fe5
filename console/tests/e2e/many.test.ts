// 50,000 rows, of a real server: the journal by its cursor, and a table of metrics in one answer. What is measured is said, and
// a frame that takes too long for the eye fails.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { eventually, settled, World } from "./world";

const ROWS = 50_000;
let world: World;

beforeAll(async () => {
  world = await World.start();
});

afterAll(async () => {
  await world?.stop();
});

/** Scrolls what a grid shows through all of its height, and says how long the frames took meanwhile, in milliseconds. */
async function scrolled(page: Page, name: string): Promise<{ frames: number; median: number; p95: number; worst: number; blank: number }> {
  return page.getByRole("grid", { name }).evaluate(async (grid) => {
    const frames: number[] = [];
    let blank = 0;
    const height = grid.scrollHeight - grid.clientHeight;
    const frame = () => new Promise<number>((resolve) => requestAnimationFrame(resolve));
    let before = await frame();
    // Both as a wheel does and as a thumb that is dragged.
    for (const [steps, from, by] of [[150, 0, 240], [100, 0, height / 100]] as const) {
      for (let n = 0; n < steps; n += 1) {
        grid.scrollTop = from + n * by;
        const now = await frame();
        frames.push(now - before);
        before = now;
      }
      // What is in sight when it stands still is drawn, within so many frames.
      const isDrawn = (): boolean => {
        const { left, top } = grid.getBoundingClientRect();
        return document.elementFromPoint(left + 100, top + grid.clientHeight / 2)?.closest(".table-row") != null;
      };
      for (let n = 0; n < 30 && !isDrawn(); n += 1) await frame();
      if (!isDrawn()) blank += 1;
      before = await frame();
    }
    frames.sort((a, b) => a - b);
    const at = (part: number): number => frames[Math.floor((frames.length - 1) * part)] ?? NaN;
    return { frames: frames.length, median: at(0.5), p95: at(0.95), worst: at(1), blank };
  });
}

const told = (what: string, { frames, median, p95, worst }: Awaited<ReturnType<typeof scrolled>>): void =>
  console.log(`${what}: ${frames} frames of ${median.toFixed(0)} ms (median), ${p95.toFixed(0)} ms (95 %), ${worst.toFixed(0)} ms (worst)`);

test("a journal of 50,000 events is gone through to its end, and stays quick while more come in", async () => {
  const batch = async (from: number, n: number): Promise<void> => {
    const events = Array.from({ length: n }, (_, at) => ({ specversion: "1.0", id: `many-${from + at}`, source: "many", type: "shop.counted", subject: `count/${from + at}`, data: { n: from + at, words: "counted on the way" } }));
    for (;;) {
      const response = await fetch(`${world.base}/v1/events`, { method: "POST", headers: { authorization: `Bearer ${world.token}`, "content-type": "application/cloudevents-batch+json", prefer: "return=minimal" }, body: JSON.stringify(events) });
      if (response.ok) return;
      if (response.status !== 429) throw new Error(`${response.status}: ${await response.text()}`);
      await new Promise((resolve) => setTimeout(resolve, Number(response.headers.get("retry-after") ?? 1) * 1000));
    }
  };
  const began = performance.now();
  for (let n = 0; n < ROWS; n += 1000) await batch(n, 1000);
  console.log(`${ROWS} events taken in within ${((performance.now() - began) / 1000).toFixed(1)} s`);
  const { page, complaints, close } = await world.open("/journal?match=shop.counted");
  const grid = page.getByRole("grid", { name: "Events" });
  await grid.getByText("count/49999").first().waitFor();
  const reading = performance.now();
  await grid.focus();
  await eventually("all are read", async () => {
    await page.keyboard.press("End");
    return (await page.locator(".table-foot").innerText()).includes("50,000 shown; that is all");
  }, 200_000);
  console.log(`read to the end within ${((performance.now() - reading) / 1000).toFixed(1)} s`);
  await grid.getByText("count/0", { exact: true }).or(grid.getByText(/count\/0$/)).first().waitFor();
  expect(await page.locator(".table-row").count()).toBeLessThan(120);
  const still = await scrolled(page, "Events");
  told("50,000 events, scrolled", still);
  // While ten more come in each second, as in a storm.
  let storm = true;
  const raining = (async () => {
    for (let n = ROWS; storm; n += 10) {
      await batch(n, 10);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
  })();
  const busy = await scrolled(page, "Events");
  storm = false;
  await raining;
  told("50,000 events, scrolled while more come in", busy);
  for (const one of [still, busy]) {
    expect(one.median).toBeLessThan(50);
    expect(one.p95).toBeLessThan(200);
    expect(one.blank).toBe(0);
  }
  // The search is the server's, so that it finds what is not loaded.
  await page.getByRole("searchbox", { name: "Search the journal" }).fill("count/4711");
  await page.getByText("1 shown").waitFor();
  expect(complaints).toEqual([]);
  await close();
}, 300_000);

test("a table of 50,000 series is scrolled through", async () => {
  const time = `${Date.now()}000000`;
  for (let from = 0; from < ROWS; from += 5000) {
    const points = Array.from({ length: 5000 }, (_, at) => ({ timeUnixNano: time, asDouble: from + at, attributes: [{ key: "shelf", value: { stringValue: `shelf-${String(from + at).padStart(5, "0")}` } }] }));
    const body = { resourceMetrics: [{ resource: { attributes: [{ key: "service.name", value: { stringValue: "many" } }] }, scopeMetrics: [{ metrics: [{ name: "many_stock", gauge: { dataPoints: points } }] }] }] };
    const response = await fetch(`${world.base}/v1/metrics`, { method: "POST", headers: { authorization: `Bearer ${world.token}`, "content-type": "application/json" }, body: JSON.stringify(body) });
    expect(response.status, await response.text()).toBe(200);
  }
  await eventually("all are there", async () => {
    const { data } = await world.api<{ data: { result: { value: [number, string] }[] } }>("/api/v1/query?query=count(many_stock)");
    return data.result[0]?.value[1] === String(ROWS);
  });
  const { page, complaints, close } = await world.open("/metrics?q=many_stock&as=table");
  await page.getByText("50,000 series", { exact: false }).first().waitFor();
  await settled(page);
  expect(await page.locator(".table-row").count()).toBeLessThan(120);
  const seen = await scrolled(page, "Series");
  told("50,000 series, scrolled", seen);
  expect(seen.median).toBeLessThan(50);
  expect(seen.p95).toBeLessThan(200);
  expect(seen.blank).toBe(0);
  expect(complaints).toEqual([]);
  await close();
}, 200_000);
