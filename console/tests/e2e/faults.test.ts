// What goes wrong around a page: the server restarts, the line is cut, freezes or is slow, and people write what is hostile
// into every field they find. The page says how things are, catches up, and loses nothing that was typed.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Line } from "./proxy";
import { eventually, listen, settled, World } from "./world";

let world: World;

beforeAll(async () => {
  world = await World.start();
});

afterAll(async () => {
  await world?.stop();
});

const isLive = (page: Page) => page.getByTestId("connection").getByText("live", { exact: true }).waitFor();
const strip = (page: Page) => page.getByText(/The server cannot be reached since/);
/** What the browser itself writes down of a line that is cut. */
const ofTheLine = (one: string): boolean => /net::ERR_|Failed to fetch|network error/i.test(one);

async function say(subject: string): Promise<void> {
  await world.api("/v1/events", { specversion: "1.0", id: subject, source: "faults", type: "shop.said", subject });
}

test("the server restarts: the page says so, catches up, and what was typed is sent once", async () => {
  const { page, context, complaints, close } = await world.open("/procedures/shop/restore-checkout?start=true");
  const journal = await context.newPage();
  await journal.goto(`${world.base}/journal?match=shop.said`);
  await isLive(journal);
  const form = page.getByRole("dialog", { name: "Run restore-checkout" });
  await form.getByLabel("AlarmName").fill("TypedBeforeTheRestart");
  await world.stopServer();
  await strip(page).waitFor();
  await form.getByRole("button", { name: "Run", exact: true }).click();
  await form.getByText("The server does not answer").waitFor();
  expect(await form.getByLabel("AlarmName").inputValue()).toBe("TypedBeforeTheRestart");
  await world.start();
  await strip(page).waitFor({ state: "detached" });
  await isLive(page);
  expect(await form.getByLabel("AlarmName").inputValue()).toBe("TypedBeforeTheRestart");
  await form.getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL("**/runs/*");
  const { items } = await world.api<{ items: { id: string }[] }>("/v1/runs?procedure=restore-checkout");
  expect(items.length).toBe(1);
  await say("after-the-restart");
  await journal.getByText(/after-the-restart/).first().waitFor();
  expect(complaints.filter((one) => !ofTheLine(one))).toEqual([]);
  await close();
});

test("the line is cut: what happened meanwhile is there afterwards, each once and in order", async () => {
  const line = await Line.to(Number(new URL(world.base).port));
  const { page, complaints, close } = await world.open("/journal?match=shop.said", { at: line.base });
  await isLive(page);
  await say("before-the-cut");
  await page.getByText(/before-the-cut/).first().waitFor();
  const search = page.getByRole("combobox", { name: "Kind or event pattern" });
  await search.fill("typed meanwhile");
  line.cut();
  await strip(page).waitFor();
  for (let n = 1; n <= 30; n += 1) await say(`meanwhile-${n}`);
  // What is known stays in sight while it is cut.
  await page.getByText(/before-the-cut/).first().waitFor();
  line.mend();
  await page.getByRole("button", { name: "Try now" }).click({ timeout: 2000 }).catch(() => undefined);
  await isLive(page);
  await page.getByText(/meanwhile-30/).first().waitFor();
  const places = await page.getByRole("grid", { name: "Events" }).locator(".table-row").evaluateAll((rows) => rows.map((row) => Number(row.querySelector(".table-cell")?.textContent)));
  expect(places.length).toBeGreaterThanOrEqual(31);
  expect(places).toEqual([...new Set(places)].sort((a, b) => b - a));
  expect(await search.inputValue()).toBe("typed meanwhile");
  expect(complaints.filter((one) => !ofTheLine(one))).toEqual([]);
  await close();
  await line.close();
});

test("graphs that were drawn stay in sight while the line is cut, and go on afterwards", async () => {
  const line = await Line.to(Number(new URL(world.base).port));
  const { page, complaints, close } = await world.open("/metrics?q=up&from=now-5m&to=now", { at: line.base });
  const workload = await page.context().newPage();
  await workload.goto(`${line.base}/workloads/shop?tab=priorities&from=now-5m&to=now`);
  for (const one of [page, workload]) {
    await one.locator("canvas").first().waitFor();
    await isLive(one);
  }
  line.cut();
  await strip(page).waitFor();
  // Longer than it takes until they would have been asked for anew.
  await page.waitForTimeout(12_000);
  for (const one of [page, workload]) {
    await one.locator("canvas").first().waitFor();
    expect(await one.locator("main").innerText()).not.toContain("does not answer");
  }
  line.mend();
  await page.getByRole("button", { name: "Try now" }).click({ timeout: 2000 }).catch(() => undefined);
  await isLive(page);
  expect(complaints.filter((one) => !ofTheLine(one))).toEqual([]);
  await close();
  await line.close();
});

test("nine tabs are live over the few connections that a browser allows, and the next one goes on where one is closed", async () => {
  const { page, context, complaints, close } = await world.open("/journal?match=shop.said");
  await isLive(page);
  const tabs: Page[] = [];
  for (let n = 0; n < 8; n += 1) {
    const tab = await context.newPage();
    listen(tab, complaints);
    await tab.goto(`${world.base}/journal?match=shop.said`);
    await isLive(tab);
    tabs.push(tab);
  }
  await say("to-all-tabs");
  for (const tab of [page, ...tabs]) await tab.getByText(/to-all-tabs/).first().waitFor();
  // The first one reads for all of them. What happens while it goes away is heard by the others all the same.
  await page.close();
  for (let n = 1; n <= 5; n += 1) await say(`after-the-first-${n}`);
  for (const tab of tabs) {
    for (let n = 1; n <= 5; n += 1) await tab.getByText(new RegExp(`after-the-first-${n}`)).first().waitFor();
    await isLive(tab);
  }
  // Who reads and is hidden hands over as soon as another one is looked at, and hears of it from then on.
  const [last] = tabs.splice(-1);
  for (const tab of tabs) await tab.close();
  if (!last) throw new Error("no tab is left");
  const reader = () => last.evaluate(async () => (await navigator.locks.query()).held?.find(({ name }) => name === "mainstay.live")?.clientId);
  const before = await eventually("the last one reads", reader);
  await last.evaluate(() => {
    Object.defineProperty(document, "hidden", { configurable: true, value: true });
    document.dispatchEvent(new Event("visibilitychange"));
  });
  const other = await context.newPage();
  await other.goto(`${world.base}/journal?match=shop.said`);
  await eventually("another one reads", async () => {
    const now = await reader();
    return now !== undefined && now !== before;
  });
  await say("to-the-hidden-one");
  await last.getByText(/to-the-hidden-one/).first().waitFor();
  await other.getByText(/to-the-hidden-one/).first().waitFor();
  expect(complaints).toEqual([]);
  await close();
}, 120_000);

test("the line freezes without a word: silence is taken for a cut, and the page comes back by itself", async () => {
  const line = await Line.to(Number(new URL(world.base).port));
  const { page, close } = await world.open("/", { at: line.base });
  await isLive(page);
  line.freeze();
  // Nothing is said for 40 s where the server says something each 15 s.
  await strip(page).waitFor({ timeout: 60_000 });
  line.mend();
  await strip(page).waitFor({ state: "detached", timeout: 20_000 });
  await isLive(page);
  await close();
  await line.close();
});

test("the line is slow: the page says what it waits for, and is whole in the end", async () => {
  const line = await Line.to(Number(new URL(world.base).port));
  line.slow(600, 80_000);
  const { page, complaints, close } = await world.open("/incidents", { at: line.base, until: "commit" });
  await page.getByText("Reading the console …").waitFor();
  // Never is there nothing to be seen: the navigation comes before the page.
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  await page.getByText("Reading the page …").waitFor();
  await page.getByText("Reading incidents …").waitFor();
  // What can be used before the answer can be used.
  await page.keyboard.press("?");
  await page.getByRole("dialog", { name: "Keys" }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByText("There has been no incident").waitFor();
  await isLive(page);
  expect(complaints).toEqual([]);
  await close();
  await line.close();
});

const HOSTILE = `<img src=x onerror="window.pwned=1"><script>window.pwned=1</script> {{7*7}} \${7*7} '"\`;--\u202Egnp.exe \u0000\u0007 ${"wide".repeat(200)} 👩‍🚒 ́́́́`;
/** As the server keeps it: without what no text may hold. */
const SHOWN = "<img src=x onerror=";

test("what people write stays text, wherever it is shown", async () => {
  // Nothing heals the incident, so that it stays open to be written about.
  await world.api("/v1/triggers/restore-checkout/disable", { workload: "shop", reason: HOSTILE });
  await world.leak();
  const incident = await eventually("an incident is open", async () => (await world.api<{ items: { id: string }[] }>("/v1/incidents?status=open")).items[0]);
  const { page, complaints, close } = await world.open(`/incidents/${incident.id}`);
  const dialogs: string[] = [];
  page.on("dialog", (dialog) => {
    dialogs.push(dialog.message());
    void dialog.dismiss();
  });
  const whole = async (name: string): Promise<void> => {
    await settled(page);
    expect(await page.evaluate(() => (window as { pwned?: number }).pwned), name).toBeUndefined();
    expect(await page.evaluate(() => document.documentElement.scrollWidth - window.innerWidth), name).toBeLessThanOrEqual(0);
    expect(await page.locator("main img, main script").count(), name).toBe(0);
  };
  await page.getByRole("button", { name: "Acknowledge …" }).click();
  await page.getByLabel("What you do about it").fill(HOSTILE);
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await page.locator(".notice", { hasText: "has it in hand" }).getByText(SHOWN).waitFor();
  await page.getByRole("textbox", { name: "An update" }).fill(HOSTILE);
  await page.getByRole("button", { name: "Write the update" }).click();
  await page.locator(".note-text", { hasText: SHOWN }).waitFor();
  // It is not read the other way round, nor is what stands after it.
  await page.locator(".note-text", { hasText: "[U+202E]gnp.exe" }).waitFor();
  await page.locator(".timeline", { hasText: SHOWN }).waitFor();
  await whole("incident");
  await page.goto(`${world.base}/alarms?alarm=shop%2FCheckoutFailing`);
  await page.getByRole("button", { name: "Silence …" }).first().click();
  await page.getByLabel(/^Why/).fill(HOSTILE);
  await page.getByLabel("Value of alertname").fill(HOSTILE);
  await page.getByRole("dialog").getByRole("button", { name: "Silence" }).click();
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await page.goto(`${world.base}/alarms?show=silences`);
  await page.getByRole("grid", { name: "Silences" }).getByText(SHOWN).first().waitFor();
  await whole("silences");
  await page.goto(`${world.base}/triggers?trigger=shop%2Frestore-checkout`);
  await page.locator(".notice", { hasText: "Disabled by" }).getByText(SHOWN).waitFor();
  await whole("trigger");
  await say(HOSTILE.replaceAll("\u0000", "").replaceAll("\u0007", "").slice(0, 300));
  await page.goto(`${world.base}/journal?match=shop.said`);
  await page.getByRole("grid", { name: "Events" }).getByText(SHOWN).first().click();
  await whole("journal");
  // Fields that search and ask: the answer is none, or says what is wrong.
  for (const [path, field] of [["/journal", "Search the journal"], ["/fleet", "Which hosts"], ["/alarms", "Search alarms"]] as const) {
    await page.goto(world.base + path);
    await page.getByRole("searchbox", { name: field }).fill(HOSTILE);
    await page.getByText(/is like that/).or(page.getByRole("alert")).first().waitFor();
    await whole(path);
  }
  await page.goto(`${world.base}/journal?match=${encodeURIComponent(HOSTILE)}`);
  await whole("a pattern");
  await page.goto(`${world.base}/metrics?q=${encodeURIComponent(HOSTILE)}`);
  await page.getByRole("alert").first().waitFor();
  await whole("metrics");
  await page.goto(`${world.base}/runs/${encodeURIComponent(HOSTILE)}?tab=${encodeURIComponent(HOSTILE)}`);
  await page.getByRole("alert").first().waitFor();
  await whole("a run of no name");
  expect(dialogs).toEqual([]);
  expect(complaints.filter((one) => !/status of (400|404|422)/.test(one))).toEqual([]);
  await close();
});
