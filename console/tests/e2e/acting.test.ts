// What people do about trouble, in the browser: an incident that nothing heals is taken in hand, written about, silenced, handled
// by a procedure and ended by hand. With the mouse first, then by the keyboard alone.

import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, settled, World } from "./world";

let world: World;
let incident = "";

beforeAll(async () => {
  world = await World.start();
  await world.user("maria", { role: "responder" });
  await world.user("otto", { role: "operator" });
  await world.user("vera", { role: "viewer" });
  // Nobody is to heal it before a person has seen it.
  await world.api("/v1/triggers/restore-checkout/disable", { workload: "shop", reason: "a test of people" });
  await world.leak();
  ({ id: incident } = await eventually("an incident is open", async () => (await world.api<{ items: { id: string }[] }>("/v1/incidents?status=open")).items[0]));
});

afterAll(async () => {
  await world?.stop();
});

interface Detail { status: string; acknowledged?: { by: string; message?: string }; notes: { by: string; text: string }[]; resolved_by?: { by: string; reason?: string }; runs: string[] }
const detail = () => world.api<Detail>(`/v1/incidents/${incident}`);

test("an incident is taken in hand, taken over, and written about; others see it at once", async () => {
  const maria = await world.open(`/incidents/${incident}`, { as: "maria" });
  const otto = await world.open(`/incidents/${incident}`, { as: "otto" });
  await maria.page.getByText("Nobody has it in hand yet.").waitFor();
  await maria.page.getByRole("button", { name: "Acknowledge …" }).click();
  await maria.page.getByLabel("What you do about it").fill("looking at payments");
  await maria.page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await otto.page.locator(".notice", { hasText: "maria has it in hand" }).getByText("looking at payments").waitFor();
  // Whoever has it is not asked again.
  expect(await maria.page.getByRole("button", { name: /Acknowledge|Take over/ }).count()).toBe(0);
  await otto.page.getByRole("button", { name: "Take over …" }).click();
  await otto.page.getByRole("dialog", { name: "Take the incident over from maria" }).getByRole("button", { name: "Take over" }).click();
  await maria.page.locator(".notice", { hasText: "otto has it in hand" }).waitFor();
  await otto.page.getByRole("textbox", { name: "An update" }).fill("Connections are used up.\nRestarting payments next.");
  await otto.page.getByRole("button", { name: "Write the update" }).click();
  await maria.page.locator(".note-text", { hasText: "Restarting payments next." }).waitFor();
  await maria.page.locator(".timeline").getByText(/Connections are used up/).waitFor();
  expect(await otto.page.getByRole("textbox", { name: "An update" }).inputValue()).toBe("");
  expect((await detail()).notes.map(({ by, text }) => ({ by, text }))).toEqual([{ by: "person:otto", text: "Connections are used up.\nRestarting payments next." }]);
  for (const one of [maria, otto]) {
    expect(one.complaints).toEqual([]);
    await one.close();
  }
});

test("who may only look sees every verb, and why it is not theirs", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`, { as: "vera" });
  for (const name of ["Take over …", "Resolve …", "Run a procedure"]) {
    const button = page.getByRole("button", { name, exact: true });
    await eventually(`${name} is disabled`, async () => (await button.getAttribute("aria-disabled")) === "true");
    expect(await button.getAttribute("title")).toMatch(/vera may not .* of shop: that needs the role responder/);
  }
  expect(await page.getByRole("textbox", { name: "An update" }).isDisabled()).toBe(true);
  await page.goto(`${world.base}/alarms?alarm=shop%2FCheckoutFailing`);
  const silence = page.getByRole("button", { name: "Silence …" }).first();
  await eventually("to silence is disabled", async () => (await silence.getAttribute("aria-disabled")) === "true");
  await page.goto(`${world.base}/triggers?trigger=shop%2Frestore-checkout`);
  const turn = page.getByRole("button", { name: "Turn on again …" });
  await eventually("to turn on is disabled", async () => (await turn.getAttribute("aria-disabled")) === "true");
  expect(complaints).toEqual([]);
  await close();
});

test("an alarm is acknowledged and silenced from its labels; the silence is listed and ended", async () => {
  const { page, complaints, close } = await world.open("/alarms?alarm=shop%2FCheckoutFailing", { as: "maria" });
  await page.getByRole("button", { name: "Acknowledge …" }).first().click();
  await page.getByLabel("What you do about it").fill("mine");
  await page.getByRole("dialog").getByRole("button", { name: "Acknowledge" }).click();
  await page.locator(".notice", { hasText: "maria has it in hand" }).getByText("mine").waitFor();
  await page.getByRole("button", { name: "Silence …" }).first().click();
  const dialog = page.getByRole("dialog", { name: "Silence CheckoutFailing" });
  await dialog.getByText(/alarms? that (is|are) listed now/).waitFor();
  // Without a reason it is not made.
  await dialog.getByRole("button", { name: "Silence" }).click();
  await dialog.getByText("Say why: the next person asks.").waitFor();
  await dialog.getByLabel("For").selectOption("30 min");
  await dialog.getByLabel(/^Why/).fill("known: connections leak");
  await dialog.getByRole("button", { name: "Silence" }).click();
  await page.locator(".notice", { hasText: "Silenced by maria" }).getByText("known: connections leak").waitFor();
  await page.getByRole("grid", { name: "Alarms" }).getByText("firing, silenced").waitFor();
  const { items } = await world.api<{ items: { by: string; reason: string; matchers: unknown[]; starts_at: string; ends_at: string }[] }>("/v1/silences");
  expect(items.map((one) => [one.by, one.reason, Math.round((Date.parse(one.ends_at) - Date.parse(one.starts_at)) / 60_000)])).toEqual([["person:maria", "known: connections leak", 30]]);
  expect(items[0]?.matchers).toContainEqual({ name: "alertname", value: "CheckoutFailing", is_equal: true, is_regex: false });
  await page.getByRole("group", { name: "What is listed" }).getByRole("button", { name: "Silences" }).click();
  const row = page.getByRole("grid", { name: "Silences" }).getByRole("row").filter({ hasText: "known: connections leak" });
  await row.getByText("holds").waitFor();
  await row.getByRole("button", { name: "End it now" }).click();
  await row.getByText("over", { exact: true }).waitFor();
  expect(complaints).toEqual([]);
  await close();
});

test("by the keyboard alone: an update, a procedure for the alarm, and the end", async () => {
  const { page, complaints, close } = await world.open(`/incidents/${incident}`, { as: "otto" });
  await page.getByText("It stays open because").waitFor();
  await settled(page);
  const to = async (name: RegExp): Promise<void> => {
    for (let n = 0; n < 200; n += 1) {
      const at = await page.evaluate(() => document.activeElement?.getAttribute("aria-label") ?? document.activeElement?.textContent ?? "");
      if (name.test(at)) return;
      await page.keyboard.press("Tab");
    }
    throw new Error(`not reached by Tab: ${name}`);
  };
  await to(/^An update$/);
  await page.keyboard.type("Written without a mouse.");
  await page.keyboard.press("Control+Enter");
  await page.locator(".note-text", { hasText: "Written without a mouse." }).waitFor();
  await page.evaluate(() => (document.activeElement as HTMLElement | null)?.blur());
  await to(/^Run a procedure$/);
  await page.keyboard.press("Enter");
  // What the alarm leads to comes first.
  const first = page.getByRole("menuitem").first();
  await first.getByText("for this alarm").waitFor();
  await page.keyboard.press("Enter");
  await page.getByRole("dialog", { name: "Run restore-checkout" }).waitFor();
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("parameter-AlarmName");
  await page.keyboard.press("Control+a");
  await page.keyboard.type("CheckoutFailing");
  await page.keyboard.press("Enter");
  await page.waitForURL("**/runs/*");
  await page.locator(".page-head").getByText("succeeded").waitFor();
  await eventually("the run is part of the incident", async () => (await detail()).runs.length > 0);
  expect(complaints).toEqual([]);
  await close();
});

test("an incident that does not end by itself is ended by hand, with the reason", async () => {
  await eventually("the first is over", async () => (await detail()).status === "resolved");
  await world.leak();
  ({ id: incident } = await eventually("another incident is open", async () => (await world.api<{ items: { id: string }[] }>("/v1/incidents?status=open")).items[0]));
  const { page, complaints, close } = await world.open(`/incidents/${incident}`, { as: "maria" });
  await page.getByRole("button", { name: "Resolve …" }).click();
  const dialog = page.getByRole("dialog", { name: "Resolve the incident by hand" });
  await dialog.getByText(/What still keeps it open: /).waitFor();
  await dialog.getByLabel(/^Why it is over/).fill("the shop is closed for the night");
  await dialog.getByRole("button", { name: "Resolve" }).click();
  // The alarm still fires: the server refuses, the dialog stays with what was typed.
  await dialog.getByRole("alert").waitFor();
  expect(await dialog.getByLabel(/^Why it is over/).inputValue()).toBe("the shop is closed for the night");
  await dialog.getByLabel(/Although there still is: CheckoutFailing/).check();
  await dialog.getByRole("button", { name: "Resolve" }).click();
  await page.getByText(/It did not end by itself: maria ended it: the shop is closed for the night/).waitFor();
  expect((await detail()).resolved_by).toMatchObject({ by: "person:maria", reason: "the shop is closed for the night" });
  expect(complaints.filter((one) => !/status of 409/.test(one))).toEqual([]);
  await close();
});
