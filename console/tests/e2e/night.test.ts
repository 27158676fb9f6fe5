// What somebody needs who was just woken up: who changed what before it, since when in their own time, every verb by a few letters,
// nothing lost by looking elsewhere, and the same page again after Back or a reload.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { eventually, settled, World } from "./world";

let world: World;
let incident = "";

beforeAll(async () => {
  world = await World.start();
  await world.user("maria", { role: "operator" });
  await world.user("vera", { role: "viewer" });
  await world.api("/v1/triggers/restore-checkout/disable", { workload: "shop", reason: "a test of people" });
  await world.leak();
  ({ id: incident } = await eventually("an incident is open", async () => (await world.api<{ items: { id: string }[] }>("/v1/incidents?status=open")).items[0]));
});

afterAll(async () => {
  await world?.stop();
});

/** Chooses from the palette what is found first by some letters, once it is called as it should be. */
async function choose(page: Page, letters: string, name: RegExp): Promise<void> {
  await page.keyboard.press("Control+k");
  await page.getByRole("combobox", { name: "Go to, or do" }).fill(letters);
  await eventually(`${letters} finds ${name}`, async () => name.test(await page.getByRole("option").first().innerText()));
  await page.keyboard.press("Enter");
}

/** Closes the dialog of a name by Escape. */
async function closed(page: Page, name: string | RegExp): Promise<void> {
  await page.getByRole("dialog", { name }).waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
}

test("the palette has every verb of what is open, and first", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`, { as: "maria" });
  await page.getByText("Nobody has it in hand yet.").waitFor();
  await settled(page);
  await page.keyboard.press("Control+k");
  // Without a letter, too.
  await page.getByRole("option", { name: /^Acknowledge the incident/ }).waitFor();
  await page.keyboard.press("Escape");
  await choose(page, "ackn", /^Acknowledge the incident/);
  await closed(page, "Acknowledge the incident");
  await choose(page, "resolve", /^Resolve the incident/);
  await closed(page, "Resolve the incident by hand");
  await choose(page, "update", /^Write an update/);
  await page.keyboard.type("By a few letters.");
  await page.keyboard.press("Control+Enter");
  await page.locator(".note-text", { hasText: "By a few letters." }).waitFor();
  await choose(page, "draft", /^Analysis draft/);
  await page.waitForURL("**tab=draft");
  await choose(page, "run restore", /^Run restore-checkout/);
  await closed(page, "Run restore-checkout");
  await page.goto(`${world.base}/alarms?alarm=shop%2FCheckoutFailing`);
  await page.getByRole("button", { name: "Silence …" }).waitFor();
  await choose(page, "silence", /^Silence CheckoutFailing/);
  await closed(page, "Silence CheckoutFailing");
  await page.goto(`${world.base}/triggers?trigger=shop%2Frestore-checkout`);
  await page.getByRole("button", { name: "Turn on again …" }).waitFor();
  await choose(page, "turn on", /^Turn on trigger restore-checkout/);
  await closed(page, "Turn restore-checkout on again");
  expect(complaints).toEqual([]);
  await close();
});

test("a verb that is not one's own is in the palette with the reason", async () => {
  const { page, close } = await world.open(`/incidents/${incident}`, { as: "vera" });
  const button = page.getByRole("button", { name: "Resolve …" });
  await eventually("it is disabled", async () => (await button.getAttribute("aria-disabled")) === "true");
  await choose(page, "resolve", /vera may not/);
  await page.getByRole("status").getByText(/vera may not .* of shop/).waitFor();
  expect(await page.getByRole("dialog").count()).toBe(0);
  await close();
});

test("what stands beside a list is closed by Escape and by Back, and opened again by forward", async () => {
  const { page, complaints, close } = await world.open("/");
  await page.getByText("Web shop").first().waitFor();
  await page.keyboard.press("g");
  await page.keyboard.press("a");
  await page.getByRole("grid", { name: "Alarms" }).getByText("CheckoutFailing").waitFor();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  const beside = page.getByRole("heading", { name: "What happened to it" });
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await beside.waitFor();
  // Another one instead is no step of the history.
  await page.keyboard.press("j");
  await page.keyboard.press("Enter");
  await page.keyboard.press("Escape");
  await beside.waitFor({ state: "detached" });
  expect(new URL(page.url()).search).toBe("");
  await page.keyboard.press("Enter");
  await beside.waitFor();
  await page.goBack();
  await beside.waitFor({ state: "detached" });
  expect(new URL(page.url()).pathname).toBe("/alarms");
  await page.goForward();
  await beside.waitFor();
  await page.reload();
  await beside.waitFor();
  // Escape of a dialog that lies above it closes that one only.
  await page.getByRole("button", { name: "Silence …" }).first().click();
  await page.getByRole("dialog").waitFor();
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await beside.waitFor();
  await page.keyboard.press("Escape");
  await beside.waitFor({ state: "detached" });
  await page.goBack();
  await page.waitForURL((url) => url.pathname === "/");
  expect(complaints).toEqual([]);
  await close();
});

test("Back and a reload show a list and a page where they stood", async () => {
  const { page, complaints, close } = await world.open("/journal", { height: 600 });
  const grid = page.getByRole("grid", { name: "Events" });
  await grid.locator(".table-row").nth(10).waitFor();
  const top = () => grid.evaluate((element) => Math.round(element.scrollTop));
  await grid.evaluate((element) => (element.scrollTop = 290));
  await eventually("it has scrolled", async () => (await top()) === 290);
  await page.keyboard.press("g");
  await page.keyboard.press("r");
  await page.getByRole("heading", { name: "Runs" }).waitFor();
  await page.goBack();
  await grid.waitFor();
  await eventually("the list is where it was", async () => (await top()) === 290);
  await page.reload();
  await grid.waitFor();
  await eventually("the list is where it was after a reload", async () => (await top()) === 290);
  // The keyboard goes on from what is in sight.
  await page.keyboard.press("j");
  expect(await top()).toBe(290);
  await page.goto(`${world.base}/incidents/${incident}`);
  await page.locator(".timeline li").nth(5).waitFor();
  await settled(page);
  await page.evaluate(() => window.scrollTo(0, 400));
  await eventually("the page has scrolled", () => page.evaluate(() => window.scrollY === 400));
  await page.locator(".facts-line").getByRole("link", { name: "shop" }).evaluate((link) => (link as HTMLElement).click());
  await page.waitForURL("**/workloads/shop");
  await eventually("a new page begins at its beginning", () => page.evaluate(() => window.scrollY === 0));
  await page.goBack();
  await page.locator(".timeline li").nth(5).waitFor();
  await eventually("the page is where it was", () => page.evaluate(() => Math.abs(window.scrollY - 400) <= 1));
  await page.reload();
  await eventually("the page is where it was after a reload", () => page.evaluate(() => Math.abs(window.scrollY - 400) <= 1));
  expect(complaints).toEqual([]);
  await close();
});

test("an update that is not sent yet is there after a look elsewhere and a reload, and is nobody else's", async () => {
  const { page, context, close } = await world.open(`/incidents/${incident}`, { as: "maria" });
  const field = page.getByRole("textbox", { name: "An update" });
  await field.fill("half a sentence");
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await page.keyboard.press("g");
  await page.keyboard.press("m");
  await page.waitForURL("**/metrics");
  await page.goBack();
  await field.waitFor();
  expect(await field.inputValue()).toBe("half a sentence");
  await page.reload();
  await field.waitFor();
  expect(await field.inputValue()).toBe("half a sentence");
  const { path } = await world.api<{ path: string }>("/v1/sign-in/link", { user: "vera" });
  await context.request.get(world.base + path, { maxRedirects: 0 });
  await page.reload();
  await page.getByRole("button", { name: "Signed in as vera" }).waitFor();
  await eventually("the field is empty", async () => (await field.inputValue()) === "");
  await close();
});

test("a reason that Escape closed is there when the dialog is opened again, and is gone when it was cancelled", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`, { as: "maria" });
  const reason = page.getByLabel(/^Why it is over/);
  const open = () => page.getByRole("button", { name: "Resolve …" }).click();
  await open();
  await reason.fill("a long reason");
  await page.keyboard.press("Escape");
  await page.getByRole("dialog").waitFor({ state: "detached" });
  await open();
  expect(await reason.inputValue()).toBe("a long reason");
  await page.getByRole("dialog").getByRole("button", { name: "Cancel" }).click();
  await open();
  expect(await reason.inputValue()).toBe("");
  expect(complaints).toEqual([]);
  await close();
});

test("the timeline is read from either end, as the address says", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`);
  const lines = page.locator(".timeline li");
  await lines.nth(3).waitFor();
  const opened = () => lines.evaluateAll((all) => [all.findIndex((line) => line.textContent?.includes("Incident opened")), all.findIndex((line) => line.textContent?.includes("is pending: its condition holds"))]);
  const [later = 0, earlier = 0] = await opened();
  expect(later).toBeGreaterThan(earlier);
  // The page does not jump while one looks at it.
  await page.setViewportSize({ width: 1440, height: 500 });
  await page.evaluate(() => window.scrollTo(0, 200));
  await page.getByRole("button", { name: "Newest first" }).click();
  await page.waitForURL("**newest=true**");
  await settled(page);
  expect(await page.evaluate(() => window.scrollY)).toBe(200);
  await page.reload();
  await lines.nth(3).waitFor();
  const [first = 0, second = 0] = await opened();
  expect(first).toBeGreaterThanOrEqual(0);
  expect(first).toBeLessThan(second);
  expect(complaints).toEqual([]);
  await close();
});

test("what changed before an incident stands there, and leads to the difference", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`);
  const before = page.getByRole("region", { name: "What changed before" });
  await before.getByText("Trigger restore-checkout was disabled: a test of people").waitFor();
  await before.getByText(/\d (ms|s|min) before/).first().waitFor();
  await before.getByRole("link", { name: /Revision .* applied: mainstay up/ }).click();
  await page.waitForURL("**tab=history&revision=**");
  await page.getByRole("region", { name: /^Change / }).getByText("mainstay up").waitFor();
  expect(complaints).toEqual([]);
  await close();
});

test("times are in the reader's zone, and the page says which", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`, { zone: "Asia/Kathmandu" });
  await page.getByText("Times in UTC+05:45").waitFor();
  await page.locator(".facts-line").getByText("UTC+05:45").waitFor();
  // Both when by the clock and how long after the start.
  await page.locator(".timeline li", { hasText: "Alarm CheckoutFailing fires" }).getByText(/^\d\d:\d\d:\d\d$/).waitFor();
  await page.goto(`${world.base}/workloads/shop?component=payments`);
  const logs = page.locator(".logs");
  await logs.waitFor();
  const { items } = await world.api<{ items: { time: string }[] }>("/v1/logs?service=payments&limit=30");
  const minutes = items.map((line) => new Date(Date.parse(line.time) + 345 * 60_000).toISOString().slice(11, 16));
  expect(minutes.some((minute) => minute !== undefined)).toBe(true);
  const shown = (await logs.innerText()).split("\n").map((line) => line.slice(0, 5));
  expect(shown.filter((minute) => /^\d\d:\d\d$/.test(minute)).every((minute) => Math.abs(minuteOf(minute) - minuteOf(minutes.at(-1) ?? "")) < 30)).toBe(true);
  // The newest is what is in sight.
  expect(await logs.evaluate((element) => element.scrollHeight - element.scrollTop - element.clientHeight)).toBeLessThan(24);
  expect(complaints).toEqual([]);
  await close();
});

const minuteOf = (text: string): number => Number(text.slice(0, 2)) * 60 + Number(text.slice(3, 5));

test("a graph is gone through in time by keys, and the address follows", async () => {
  const { page, complaints, close } = await world.open("/metrics?q=up&from=now-1h&to=now");
  await page.getByRole("grid", { name: "Series" }).waitFor();
  const press = async (name: RegExp): Promise<URLSearchParams> => {
    const was = page.url();
    await page.getByRole("button", { name }).focus();
    await page.keyboard.press("Enter");
    await page.waitForURL((url) => url.href !== was);
    return new URL(page.url()).searchParams;
  };
  expect((await press(/^Closer/)).get("from")).toBe("now-30m");
  expect((await press(/^Wider/)).get("from")).toBe("now-1h");
  expect(await page.getByRole("button", { name: "Later" }).getAttribute("aria-disabled")).toBe("true");
  const earlier = await press(/^Earlier/);
  expect(Number(earlier.get("to")) - Number(earlier.get("from"))).toBe(3_600_000);
  // Which hour that is stands there.
  await page.getByText(/^1 h: \d{4}-\d\d-\d\d \d\d:\d\d:\d\d to .* UTC/).waitFor();
  expect((await press(/^Later/)).get("to")).toBe("now");
  expect(complaints).toEqual([]);
  await close();
});

test("a run says which incident it is for, and is run again with the same values", async () => {
  const { id } = await world.api<{ id: string }>("/v1/runs", { procedure: "restore-checkout", workload: "shop", parameters: { AlarmName: "AsItWas" } });
  const { page, complaints, close } = await world.open(`/runs/${id}`);
  await page.locator(".page-head").getByText("succeeded").waitFor();
  await page.locator(".facts-line").getByText("by operator").waitFor();
  // Of what is over nothing is still to begin.
  await page.getByRole("grid", { name: "Steps" }).getByText("not reached").waitFor();
  await page.locator(".facts-line").getByRole("link", { name: "Customers cannot pay" }).waitFor();
  await page.getByRole("button", { name: "Run again …" }).click();
  const field = page.getByLabel("AlarmName");
  await field.waitFor();
  expect(await field.inputValue()).toBe("AsItWas");
  // What is typed is there after a reload, and not when the form is opened another time.
  await field.fill("TypedHere");
  await page.reload();
  await field.waitFor();
  expect(await field.inputValue()).toBe("TypedHere");
  await page.keyboard.press("Escape");
  await page.getByRole("button", { name: "Run …" }).click();
  await field.waitFor();
  expect(await field.inputValue()).toBe("CheckoutFailing");
  expect(complaints).toEqual([]);
  await close();
});

test("on a phone and on a wall nothing that matters is cut off", async () => {
  await world.api("/v1/silences", { matchers: [{ name: "alertname", value: "Nothing", is_regex: false, is_equal: true }], workload: "shop", reason: "works on the queue", ends_at: new Date(Date.now() + 3_600_000).toISOString() });
  await world.api("/v1/runs", { procedure: "unstick-confirmations", workload: "shop", parameters: {} });
  const phone = await world.open("/alarms?show=silences", { width: 390, height: 844 });
  await phone.page.getByText("works on the queue").waitFor();
  /** Cells whose text does not fit, and that show hardly any of it. */
  const cut = (page: Page) => page.locator(".table-cell").evaluateAll((cells) => cells.filter((cell) => [cell, ...cell.querySelectorAll(".cut, .mono")].some((part) => part.scrollWidth > part.clientWidth + 1 && part.clientWidth < 90 && part.clientWidth > 0)).map((cell) => cell.textContent));
  for (const path of ["/alarms?show=silences", "/fleet", "/fleet?show=services", "/incidents", "/runs", "/triggers", "/workloads/shop"]) {
    await phone.page.goto(world.base + path);
    await phone.page.locator(".table-row").first().waitFor();
    await settled(phone.page);
    expect(await cut(phone.page), path).toEqual([]);
  }
  // What is opened far below is brought into sight.
  await phone.page.locator(".react-flow__node button").first().click();
  await eventually("the component is in sight", () => phone.page.evaluate(() => {
    const top = document.querySelector("[data-beside]")?.getBoundingClientRect().top ?? NaN;
    return top >= 0 && top < window.innerHeight * 0.6;
  }), 10_000);
  await phone.close();
  const wall = await world.open("/?wall=true", { width: 2560, height: 1440, theme: "dark" });
  await wall.page.getByText("4 of 4 services ready").waitFor();
  await wall.page.locator(".wall-clock").getByText("live").waitFor();
  expect(await wall.page.locator(".measure-state .state-word").evaluateAll((words) => words.filter((word) => word.scrollWidth > word.clientWidth).map((word) => word.textContent))).toEqual([]);
  await wall.close();
});

test("what Now counts as wrong leads there", async () => {
  await world.leak();
  const { page, complaints, close } = await world.open("/");
  await page.locator(".page-head").getByRole("link", { name: /alarms? fires?/ }).click();
  await page.waitForURL("**/alarms?state=firing");
  await page.getByRole("grid", { name: "Alarms" }).getByText("CheckoutFailing").waitFor();
  expect(complaints).toEqual([]);
  await close();
});
