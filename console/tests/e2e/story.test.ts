// The demo's story, seen and acted on in the browser: a fault, an alarm, an incident, a run, recovery, and the draft of
// the analysis. Nothing is mocked: the server, the agent, the services and the browser are real.

import { afterAll, beforeAll, expect, test } from "vitest";
import { eventually, picture, settled, World, type Opened } from "./world";

let world: World;
let now: Opened;

beforeAll(async () => {
  world = await World.start();
});

afterAll(async () => {
  await world?.stop();
});

const text = (opened: Opened) => opened.page.locator("main").innerText();

test("Now says that all is well, and that it is live", async () => {
  now = await world.open("/");
  await now.page.getByText("All 2 goals are on target").waitFor();
  await now.page.getByText("4 of 4 services ready").waitFor();
  await now.page.getByTestId("connection").getByText("live", { exact: true }).waitFor();
  expect(await text(now)).toContain("No change and no run is under way");
});

test("a procedure is run by hand from its form, and is followed to its end", async () => {
  const { page, complaints, close } = await world.open("/procedures/shop/restore-checkout?start=true");
  const field = page.getByLabel("AlarmName");
  await field.fill("not allowed!");
  await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
  await page.getByText("It does not match").waitFor();
  await field.fill("CheckoutFailing");
  await page.getByRole("dialog").getByRole("button", { name: "Run", exact: true }).click();
  await page.waitForURL("**/runs/*");
  // Nothing is wrong, so the procedure finds no cause and hands over to a person: it ends as failed, and says why.
  await page.locator(".page-head").getByText(/failed|succeeded/).waitFor();
  await page.getByRole("grid", { name: "Steps" }).getByText("judge").click();
  await page.getByText(/connections in use|connections free/).first().waitFor();
  expect(page.url()).toContain("step=judge");
  expect(complaints).toEqual([]);
  await close();
});

test("the fault is seen at once, by itself: off target, alarm, incident, run", async () => {
  await world.leak();
  await now.page.getByText("incident open", { exact: true }).waitFor();
  await now.page.getByRole("link", { name: /incident open/ }).getByText("Customers cannot pay").waitFor();
  await now.page.getByText(/open incident/).waitFor();
  await picture(now.page, "story-now-fault");
});

test("the incident tells everything on one axis of time, while it happens", async () => {
  await now.page.getByRole("link", { name: /incident open/ }).click();
  await now.page.waitForURL("**/incidents/*");
  const { page } = now;
  await page.getByText(/Alarm CheckoutFailing fires/).waitFor();
  await page.getByText(/Run of restore-checkout began, started by trigger/).waitFor();
  await page.locator("figure", { hasText: "Customers can pay" }).locator("canvas").waitFor();
  await picture(page, "story-incident-open");
  await page.locator(".page-head").getByText("resolved").waitFor();
  expect(await page.locator(".figures").innerText()).toMatch(/To recover\s+\d/);
});

test("the run that healed it shows what each step did and where", async () => {
  const { page } = now;
  await page.locator(".figures").getByRole("link", { name: "restore-checkout" }).click();
  await page.waitForURL("**/runs/*");
  await page.locator(".page-head").getByText("succeeded").waitFor();
  await page.locator(".flow").getByRole("button", { name: /^restart/ }).click();
  await page.getByText(/shop.payments was restarted and is ready/).waitFor();
  await page.getByRole("tab", { name: /Attempts/ }).click();
  await page.getByText("mainstay service restart payments").waitFor();
  await page.keyboard.press("ArrowLeft");
  await page.getByRole("tab", { name: /Hosts/, selected: true }).waitFor();
  expect(page.url()).toContain("tab=hosts");
});

test("the draft of the analysis is there when it is over", async () => {
  const { page } = now;
  await page.goBack();
  while (!page.url().includes("/incidents/")) await page.goBack();
  await page.getByRole("tab", { name: "Analysis draft" }).click();
  await page.locator(".md").getByText("Customers cannot pay").first().waitFor();
  await settled(page);
  await picture(page, "story-draft");
  expect(now.complaints).toEqual([]);
});

test("the wall screen has no navigation, from its address, too", async () => {
  const { page, complaints, close } = await world.open("/?wall=true", { width: 1920, height: 1080 });
  await page.getByText("4 of 4 services ready").waitFor();
  expect(await page.getByRole("navigation", { name: "Pages" }).count()).toBe(0);
  await page.getByRole("button", { name: "Leave the wall screen" }).click();
  await page.getByRole("navigation", { name: "Pages" }).waitFor();
  expect(complaints).toEqual([]);
  await close();
});

test("everybody's pages are whole again", async () => {
  const { page } = now;
  await page.keyboard.press("g");
  await page.keyboard.press("n");
  await page.getByText("All 2 goals are on target").waitFor();
  await eventually("no incident is open", async () => !(await text(now)).includes("incident open"));
  expect(now.complaints).toEqual([]);
});

test("a change from elsewhere shows what differs, and is taken back in the browser", async () => {
  const { page, complaints, close } = await world.open("/workloads/shop?tab=history");
  await page.getByText("19 resources").waitFor();
  const revision = await world.api<{ files: Record<string, string>; directory: string; revision: string }>(`/v1/revisions/${(await world.api<{ revision: string }>("/v1/workloads/shop")).revision}`);
  const files = Object.entries(revision.files).map(([path, content]) => ({ path, content: path === "alarms/shop.yaml" ? content.replaceAll("for: 2s", "for: 4s") : content }));
  await world.api("/v1/workloads", { files, directory: revision.directory, message: 'Slower <img src=x onerror="alert(1)">' });
  // The page hears of it by itself; the text of somebody else stays text.
  await page.getByRole("grid", { name: "Changes" }).getByText('Slower <img src=x onerror="alert(1)">').click();
  await page.locator(".diff-line.added", { hasText: "for: 4s" }).first().waitFor();
  await page.locator(".diff-line.removed", { hasText: "for: 2s" }).first().waitFor();
  await page.getByRole("grid", { name: "Changes" }).getByText("mainstay up").click();
  await page.getByRole("button", { name: /Go back to this revision/ }).click();
  await page.getByRole("dialog").getByText(/would change/).waitFor();
  await page.getByRole("dialog").getByRole("button", { name: "Go back" }).click();
  await page.getByRole("grid", { name: "Changes" }).getByText("Back to revision").waitFor();
  const back = await eventually("the first revision's files are wanted again", async () => {
    const { revision: id } = await world.api<{ revision: string }>("/v1/workloads/shop");
    const one = await world.api<{ files: Record<string, string> }>(`/v1/revisions/${id}`);
    return one.files["alarms/shop.yaml"]?.includes("for: 2s") && one;
  });
  expect(back.files).toEqual(revision.files);
  expect(complaints).toEqual([]);
  await close();
});
