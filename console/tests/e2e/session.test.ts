// Signing in and out, in a browser against a real server: by the one-time link, by name and password, in the middle of a
// form, in several tabs; and what a person may not do.

import { afterAll, beforeAll, expect, test } from "vitest";
import type { Page } from "playwright-core";
import { Provider } from "./provider";
import { eventually, listen, PASSWORD, settled, World } from "./world";

let world: World;
let provider: Provider;

beforeAll(async () => {
  provider = await Provider.start({ sub: "17", email: "ada@example.org", email_verified: true, groups: ["oncall"] });
  world = await World.start({
    "sign-in.json": { oidc: [{ name: "company", title: "Company account", issuer: provider.issuer, client_id: "mainstay", grants: [{ when: { groups: "oncall" }, role: "responder", on: "*" }] }] },
  });
  await world.user("maria", { role: "responder" });
  await world.user("vera", { role: "viewer" });
});

afterAll(async () => {
  await world?.stop();
  await provider?.close();
});

/** What the browser writes down by itself of an answer that is refused. */
const refused = (one: string): boolean => /status of 401/.test(one);

async function signIn(page: Page, name: string, password = PASSWORD): Promise<void> {
  const dialog = page.getByRole("dialog", { name: "Sign in to Mainstay" });
  await dialog.getByLabel("Name").fill(name);
  await dialog.getByLabel("Password").fill(password);
  await page.keyboard.press("Enter");
}

const dialog = (page: Page) => page.getByRole("dialog", { name: "Sign in to Mainstay" });

/** Ends every session of a user, as their being disabled does. */
async function endSessions(name: string): Promise<void> {
  await world.api(`/v1/users/${name}/disable`, { reason: "a test" });
  await world.api(`/v1/users/${name}/enable`, {});
}

/** Sends the form, also where the page has noticed meanwhile that the session is over and asks to sign in above it. */
async function send(page: Page): Promise<void> {
  await page.getByRole("dialog", { name: "Run restore-checkout" }).locator("button", { hasText: /^Run$/ }).dispatchEvent("click");
}

test("a link signs in once, and its code stays nowhere", async () => {
  const { page, context, complaints, close } = await world.open("/", { as: null });
  await dialog(page).waitFor();
  const { path } = await world.api<{ path: string }>("/v1/sign-in/link", {});
  await page.goto(world.base + path);
  await page.getByText("All 2 goals are on target").waitFor();
  expect(page.url()).toBe(`${world.base}/`);
  await page.getByRole("button", { name: "Signed in as operator" }).waitFor();
  // No script can read who one is, and nothing of it is kept where scripts can.
  expect(await page.evaluate(() => document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage }))).not.toMatch(/mst_|session=/);
  expect((await context.cookies()).filter((cookie) => cookie.name.startsWith("mainstay_session")).map(({ httpOnly, sameSite }) => ({ httpOnly, sameSite }))).toEqual([{ httpOnly: true, sameSite: expect.stringMatching(/Lax|Strict/) as string }]);
  await page.goto(world.base + path);
  await page.getByText(/used or is too old/).waitFor();
  expect(complaints.filter((one) => !refused(one))).toEqual([]);
  await close();
});

test("a wrong password is said, the right one opens the page that was asked for", async () => {
  const { page, complaints, close } = await world.open("/incidents?show=open", { as: null });
  await dialog(page).waitFor();
  await signIn(page, "maria", "wrong wrong wrong");
  await dialog(page).getByRole("alert").waitFor();
  expect(await dialog(page).getByRole("alert").innerText()).not.toContain("maria");
  await signIn(page, "maria");
  await page.getByText("No incident is open").waitFor();
  expect(page.url()).toContain("/incidents?show=open");
  await page.getByRole("button", { name: "Signed in as maria" }).waitFor();
  expect(complaints.filter((one) => !refused(one))).toEqual([]);
  await close();
});

test("a session that ends in the middle of a form loses nothing, and what was sent goes on", async () => {
  const { page, complaints, close } = await world.open("/procedures/shop/restore-checkout?start=true", { as: "maria" });
  const field = page.getByLabel("AlarmName");
  await field.fill("TypedBefore");
  await endSessions("maria");
  await send(page);
  await dialog(page).waitFor();
  await dialog(page).getByText("The session has ended.").waitFor();
  // The name is known, so the password has the focus; what was typed is behind it.
  expect(await page.evaluate(() => document.activeElement?.id)).toBe("sign-in-password");
  expect(await field.inputValue()).toBe("TypedBefore");
  await page.keyboard.press("Escape");
  await dialog(page).waitFor();
  await page.keyboard.type(PASSWORD);
  await page.keyboard.press("Enter");
  await page.waitForURL("**/runs/*");
  await page.getByText("TypedBefore").first().waitFor();
  const { items } = await world.api<{ items: { started_by: string }[] }>("/v1/runs");
  expect(items.map((run) => run.started_by)).toEqual(["person:maria"]);
  await page.getByTestId("connection").getByText("live", { exact: true }).waitFor();
  expect(complaints.filter((one) => !refused(one))).toEqual([]);
  await close();
});

test("an account elsewhere signs in, to the page that was asked for; and in another tab, where a form stands open", async () => {
  const { page, context, complaints, close } = await world.open("/incidents?show=open", { as: null });
  await dialog(page).getByRole("link", { name: "Sign in with Company account" }).click();
  await page.getByText("No incident is open").waitFor();
  expect(page.url()).toBe(`${world.base}/incidents?show=open`);
  await page.getByRole("button", { name: "Signed in as ada@example.org" }).waitFor();
  await page.goto(`${world.base}/procedures/shop/restore-checkout?start=true`);
  await page.getByLabel("AlarmName").fill("OfAda");
  await endSessions("ada@example.org");
  await send(page);
  const opened = context.waitForEvent("page");
  await dialog(page).getByRole("link", { name: "Sign in with Company account in another tab" }).click();
  await (await opened).getByText("All 2 goals are on target").waitFor();
  // What was sent goes on by itself.
  await page.waitForURL("**/runs/*");
  await page.getByText("OfAda").first().waitFor();
  expect(complaints.filter((one) => !refused(one))).toEqual([]);
  await close();
});

test("what one person sent is not done in the name of another", async () => {
  const { page, close } = await world.open("/procedures/shop/restore-checkout?start=true", { as: "maria" });
  await page.getByLabel("AlarmName").fill("OfMaria");
  await world.user("otto", { role: "operator" });
  await endSessions("maria");
  await send(page);
  await dialog(page).waitFor();
  await signIn(page, "otto");
  await page.getByRole("button", { name: "Signed in as otto" }).waitFor();
  await settled(page);
  const { items } = await world.api<{ items: { parameters?: unknown; started_by: string }[] }>("/v1/runs");
  expect(items.map((run) => run.started_by)).not.toContain("person:otto");
  await close();
});

test("tabs share a session: out in one is out in all, and in again is in in all", async () => {
  const { page, context, complaints, close } = await world.open("/", { as: "maria" });
  const other = await context.newPage();
  listen(other, complaints);
  await other.goto(`${world.base}/runs`);
  await other.getByRole("heading", { name: "Runs" }).waitFor();
  await page.getByRole("button", { name: "Signed in as maria" }).click();
  await page.getByRole("menuitem", { name: "Sign out" }).click();
  await dialog(page).waitFor();
  await dialog(other).getByText("You have signed out in another tab.").waitFor();
  expect(await page.locator("main").innerText()).not.toContain("Web shop");
  expect((await world.api<{ items: { user: string }[] }>("/v1/sessions?all=true")).items.filter((one) => one.user === "maria")).toEqual([]);
  await signIn(other, "maria");
  await dialog(page).waitFor({ state: "detached" });
  await page.getByText("All 2 goals are on target").waitFor();
  expect(complaints.filter((one) => !refused(one))).toEqual([]);
  await close();
});

test("what a person may not do is shown, and says why; the server refuses it all the same", async () => {
  const { page, complaints, close } = await world.open("/procedures/shop/restore-checkout", { as: "vera" });
  const run = page.getByRole("button", { name: "Run …" });
  await eventually("it is disabled", async () => (await run.getAttribute("aria-disabled")) === "true");
  // It is reached by the keyboard, and answers with the reason.
  await run.focus();
  await page.keyboard.press("Enter");
  await page.getByRole("status").getByText(/vera may not start or stop procedures of shop: that needs the role responder/).waitFor();
  expect(await page.getByRole("dialog").count()).toBe(0);
  // Nor does the address that opens the form.
  await page.goto(`${world.base}/procedures/shop/restore-checkout?start=true`);
  await eventually("it is disabled", async () => (await run.getAttribute("aria-disabled")) === "true");
  expect(await page.getByRole("dialog").count()).toBe(0);
  const status = await page.evaluate(async () => (await fetch("/v1/runs", { method: "POST", headers: { "content-type": "application/json", "x-mainstay-request": "console" }, body: JSON.stringify({ workload: "shop", procedure: "restore-checkout", parameters: {} }) })).status);
  expect(status).toBe(403);
  expect(complaints.filter((one) => !/status of 403/.test(one))).toEqual([]);
  await close();
});
