// The lists of runs, incidents and hosts as they are after years, of a real server that finds them in its journal: read to
// their end, and gone through by keys and by wheel, also while they are filtered and while more happens. How long frames take is
// said and not judged, since other work on the machine moves it; MAINSTAY_LISTS=50000 is the size it is meant for.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Locator, Page } from "playwright-core";
import { eventually, faultsFor, longLists, picture, settled, World } from "./world";

const ROWS = Math.max(2000, Number(process.env.MAINSTAY_LISTS ?? 0) || 0);
/** Reading fifty thousand rows to their end takes a while, on a server that was built for tests. */
const PATIENCE_MS = 60_000 + ROWS * 8;
const shown = (rows: number): string => `${rows.toLocaleString("en")} shown`;
let world: World;

beforeAll(async () => {
  const began = performance.now();
  world = await World.start({}, (data) => longLists(data, ROWS));
  console.log(`a journal with ${ROWS} hosts, runs and incidents, and a server on it, within ${((performance.now() - began) / 1000).toFixed(0)} s`);
}, PATIENCE_MS);

afterAll(async () => {
  await world?.stop();
});

interface Watched { on: boolean; frames: number[]; blank: number }
type Watching = typeof globalThis & { watched: Watched; firstRow?: number };

/** Opens a list, and says when its first row was drawn. */
async function opened(path: string, name: string): Promise<{ page: Page; grid: Locator; complaints: string[]; close: () => Promise<void> }> {
  const { page, complaints, close } = await world.open("/metrics");
  await page.addInitScript(() => {
    const look = (): void => {
      if (document.querySelector(".table-body .table-row")) (globalThis as Watching).firstRow = performance.now();
      else requestAnimationFrame(look);
    };
    requestAnimationFrame(look);
  });
  await page.goto(world.base + path);
  const grid = page.getByRole("grid", { name, exact: true });
  await grid.locator(".table-body .table-row").first().waitFor();
  console.log(`${path}: the first rows after ${await page.evaluate(() => Math.round((globalThis as Watching).firstRow ?? NaN))} ms`);
  return { page, grid, complaints, close };
}

/** What the frames are like while something is done: how long they take, and in how many of them the midst of the list was empty. */
async function watched(what: string, grid: Locator, work: () => Promise<void>): Promise<void> {
  await grid.evaluate((element) => {
    const watched: Watched = { on: true, frames: [], blank: 0 };
    (globalThis as Watching).watched = watched;
    let before: number | undefined;
    const frame = (now: number): void => {
      if (!watched.on) return;
      if (before !== undefined) watched.frames.push(now - before);
      before = now;
      const { left, top, bottom } = element.getBoundingClientRect();
      const midst = (top + Math.min(bottom, innerHeight)) / 2;
      // Of a list that another one has taken the place of nothing is expected.
      if (element.isConnected && element.role === "grid" && document.elementFromPoint(left + 100, midst)?.closest(".table-row") == null) watched.blank += 1;
      requestAnimationFrame(frame);
    };
    requestAnimationFrame(frame);
  });
  await work();
  const { frames, blank } = await grid.page().evaluate(() => {
    const { watched } = globalThis as Watching;
    watched.on = false;
    return watched;
  });
  frames.sort((a, b) => a - b);
  const at = (part: number): string => (frames[Math.floor((frames.length - 1) * part)] ?? NaN).toFixed(0);
  console.log(`${what}: ${frames.length} frames of ${at(0.5)} ms (median), ${at(0.95)} ms (95 %), ${at(1)} ms (worst)${blank > 0 ? `; ${blank} with nothing in the midst of the list` : ""}`);
  expect(frames.length, `${what}: frames were drawn`).toBeGreaterThan(5);
}

/** What is in sight when it stands still is drawn below the head, and little else. */
async function drawn(grid: Locator): Promise<void> {
  expect(await grid.evaluate((element) => {
    const { left, top } = element.getBoundingClientRect();
    return document.elementFromPoint(left + 20, top + 15)?.closest(".table-head") != null;
  }), "the head is in sight").toBe(true);
  await eventually("what is in sight is drawn", () =>
    grid.evaluate((element) => {
      const { left, top, bottom } = element.getBoundingClientRect();
      const height = Math.min(bottom, innerHeight) - top;
      return [0.2, 0.5, 0.9].every((part) => document.elementFromPoint(left + 100, top + height * part)?.closest(".table-row") != null);
    }));
  expect(await grid.locator(".table-row").count()).toBeLessThan(120);
}

/** Reads a list to its end by the key that goes there. */
async function readToEnd(grid: Locator, rows: number): Promise<void> {
  const page = grid.page();
  const began = performance.now();
  await grid.focus();
  await watched("read to the end", grid, () =>
    eventually("all are read", async () => {
      await page.keyboard.press("End");
      return (await page.locator(".table-foot").innerText()) === shown(rows);
    }, PATIENCE_MS).then(() => undefined));
  console.log(`${rows} rows read to the end within ${((performance.now() - began) / 1000).toFixed(1)} s`);
  // The last page may have come after the key.
  await page.keyboard.press("End");
  await drawn(grid);
}

async function wheel(grid: Locator, steps: number, by: number): Promise<void> {
  await grid.hover();
  for (let n = 0; n < steps; n += 1) await grid.page().mouse.wheel(0, by);
}

/** Goes through a list by keys and by wheel, in small steps and in large ones. */
async function goneThrough(grid: Locator): Promise<void> {
  const page = grid.page();
  const press = async (key: string, times: number): Promise<void> => {
    for (let n = 0; n < times; n += 1) await page.keyboard.press(key);
  };
  await grid.focus();
  await page.keyboard.press("Home");
  await watched("by keys", grid, async () => {
    await press("ArrowDown", 80);
    await press("PageDown", 40);
    await press("End", 1);
    await press("PageUp", 40);
    await press("k", 40);
    await press("Home", 1);
  });
  await drawn(grid);
  await watched("by wheel", grid, async () => {
    await wheel(grid, 80, 240);
    await wheel(grid, 40, (ROWS * 30) / 40);
    await wheel(grid, 80, -240);
  });
  await drawn(grid);
  expect(await grid.evaluate((element) => element.scrollTop)).toBeGreaterThan(0);
}

test("runs", async () => {
  const { page, grid, complaints, close } = await opened("/runs", "Runs");
  await readToEnd(grid, ROWS);
  await grid.locator('[title="r000000"]').waitFor();
  await goneThrough(grid);
  // While some are cancelled, and others are started and come on top.
  const busy = (async () => {
    for (let n = 1; n <= 5; n += 1) {
      await world.api(`/v1/runs/r${String(ROWS - n).padStart(6, "0")}/cancel`, { reason: "many" });
      await world.api("/v1/runs", { procedure: "unstick-confirmations", workload: "shop", parameters: {} });
    }
  })();
  await watched("by wheel while runs are started and cancelled", grid, async () => {
    await wheel(grid, 40, -400);
    await wheel(grid, 80, 400);
    await busy;
  });
  await eventually("those that were started are on the page", async () => (await page.locator(".table-foot").innerText()) === shown(ROWS + 5));
  await page.keyboard.press("Home");
  await grid.getByText("unstick-confirmations").first().waitFor();
  // Filtered while it scrolls: what is chosen last is shown, from its beginning.
  await watched("filtered while the wheel turns", grid, async () => {
    const turning = wheel(grid, 60, 400);
    await page.getByRole("button", { name: "Not good" }).click();
    await page.getByRole("button", { name: "Under way" }).click();
    await turning;
  });
  await eventually("those are listed that are under way", async () => /^\d+ shown$/.test(await page.locator(".table-foot").innerText()));
  expect(await grid.getByText("usual", { exact: true }).count()).toBe(5);
  await settled(page);
  expect(complaints).toEqual([]);
  await close();
}, PATIENCE_MS);

test("incidents", async () => {
  const { page, grid, complaints, close } = await opened("/incidents", "Incidents");
  await readToEnd(grid, ROWS);
  await grid.getByText("Customers cannot pay (0)", { exact: true }).waitFor();
  await goneThrough(grid);
  await watched("filtered while the wheel turns", grid, async () => {
    const turning = wheel(grid, 60, 400);
    await page.getByRole("button", { name: "Open", exact: true }).click();
    await page.getByRole("button", { name: "Resolved" }).click();
    await turning;
  });
  await eventually("those that are resolved are listed", async () => /^[\d,]+ shown; more as you go down$/.test(await page.locator(".table-foot").innerText()));
  await settled(page);
  expect(complaints).toEqual([]);
  await close();
}, PATIENCE_MS);

test("hosts", async () => {
  const { page, grid, complaints, close } = await opened("/fleet", "Hosts");
  await readToEnd(grid, ROWS + 1);
  await picture(page, "fleet-many-1440-light");
  expect(await faultsFor(page)).toEqual([]);
  await goneThrough(grid);
  await watched("filtered while the wheel turns", grid, async () => {
    const turning = wheel(grid, 60, 400);
    await page.getByRole("searchbox", { name: "Which hosts" }).fill("zone=z7");
    await turning;
  });
  await page.locator(".table-foot").getByText(shown(ROWS / 50), { exact: false }).waitFor();
  // Grouped by a tag that has as many values as there are fifties of hosts, and by one that all have in common.
  await page.getByRole("searchbox", { name: "Which hosts" }).fill("");
  await grid.waitFor();
  for (const [tag, group] of [["zone", "zone=z0"], ["role", "role=edge"]] as const) {
    await page.getByLabel("Group by tag").selectOption(tag);
    await page.getByRole("grid", { name: `Hosts with ${group}`, exact: true }).waitFor();
    await settled(page);
    // What is far from being seen is not drawn yet.
    expect(await page.locator(".table-row").count()).toBeLessThan(150);
    await watched(`the page by wheel, grouped by ${tag}`, page.locator("main"), async () => {
      await page.mouse.move(30, 300);
      for (let n = 0; n < 60; n += 1) await page.mouse.wheel(0, 300);
    });
  }
  await page.getByLabel("Group by tag").selectOption("");
  await page.getByRole("searchbox", { name: "Which hosts" }).fill("h01234");
  await grid.getByText("h01234").waitFor();
  expect(await grid.locator(".table-row").count()).toBe(1);
  // A workload's own page finds its services, although there are hosts before theirs that need a look more.
  await page.goto(`${world.base}/workloads/shop`);
  await eventually("its four services are listed", async () => (await page.getByRole("grid", { name: "Services" }).locator(".table-body .table-row").count()) === 4);
  expect(complaints).toEqual([]);
  await close();
}, PATIENCE_MS);
