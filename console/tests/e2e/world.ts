// One machine of a test: the real server and agent with the example workload on ports of its own, and a real browser.

import { type ChildProcess, execFileSync, spawn } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";
import { type Browser, type BrowserContext, chromium, type Page } from "playwright-core";
import { expect } from "vitest";

const here = dirname(fileURLToPath(import.meta.url));
export const consoleRoot = join(here, "../..");
const root = join(consoleRoot, "..");
export const shots = join(consoleRoot, "screenshots");

/** The binary under test: the one that is named, or the newest build. */
function binary(): string {
  const named = process.env.MAINSTAY_E2E_BINARY;
  const found = [named, join(root, "target/debug/mainstay"), join(root, "target/release/mainstay")].find((path) => path && existsSync(path));
  if (!found) throw new Error("build the server first: cargo build -p mainstay, or name one with MAINSTAY_E2E_BINARY");
  return found;
}

/** A journal as it is after years: so many hosts that have been there, and so many runs and incidents that are over. */
export function longLists(data: string, rows: number): void {
  const program = join(dirname(binary()), "examples/long_lists");
  if (!existsSync(program)) throw new Error("build what fills the journal first: cargo build -p mainstay --examples");
  execFileSync(program, [join(data, "journal"), String(rows), String(rows)], { stdio: ["ignore", "inherit", "inherit"] });
}

async function freePorts(n: number): Promise<number[]> {
  const servers = Array.from({ length: n }, () => createServer());
  const ports = await Promise.all(
    servers.map(
      (server) =>
        new Promise<number>((resolve, reject) => {
          server.once("error", reject);
          server.listen(0, "127.0.0.1", () => {
            const address = server.address();
            resolve(typeof address === "object" && address ? address.port : 0);
          });
        }),
    ),
  );
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))));
  return ports;
}

/** Waits for what is looked at to hold; fails with what was seen last. */
export async function eventually<T>(what: string, look: () => Promise<T | undefined | false> | T | undefined | false, ms = 60_000): Promise<T> {
  const until = Date.now() + ms;
  let error: unknown;
  while (Date.now() < until) {
    try {
      const found = await look();
      if (found) return found;
    } catch (caught) {
      error = caught;
    }
    await new Promise((resolve) => setTimeout(resolve, 100));
  }
  throw new Error(`not in ${ms} ms: ${what}${error ? `; ${String(error)}` : ""}`);
}

/** The password of every user that tests add. */
export const PASSWORD = "correct horse battery staple";

export class World {
  dir = "";
  base = "";
  token = "";
  ports: number[] = [];
  said = "";
  private up: ChildProcess | undefined;
  browser: Browser | undefined;

  get example(): string {
    return join(this.dir, "examples/shop");
  }

  /** Server, agent and the four services run; the browser is open. `files` are put into the data directory before, and `prepare`
      may do more there. */
  static async start(files: Record<string, unknown> = {}, prepare?: (data: string) => void): Promise<World> {
    const world = new World();
    world.dir = mkdtempSync(join(tmpdir(), "mainstay-console-"));
    world.ports = await freePorts(6);
    world.unpack();
    mkdirSync(join(world.dir, "data"), { mode: 0o700 });
    for (const [name, content] of Object.entries(files)) writeFileSync(join(world.dir, "data", name), JSON.stringify(content), { mode: 0o600 });
    prepare?.(join(world.dir, "data"));
    await world.start();
    world.browser = await chromium.launch({
      executablePath: process.env.CHROMIUM ?? "/usr/bin/chromium",
      args: ["--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking", "--disable-component-update", "--disable-sync"],
    });
    return world;
  }

  /** The example, with ports that are free. */
  private unpack(): void {
    const examples = join(this.dir, "examples");
    cpSync(join(root, "examples"), examples, { recursive: true, filter: (path) => !/\/(src|tests|data|\.mainstay)(\/|$)/.test(path) });
    if (!existsSync(join(this.example, "bin/shop-payments"))) throw new Error("build the example's services first: cargo xtask build-shop");
    const [front, checkout, payments, customers] = this.ports;
    const to: Record<string, number | undefined> = { 8101: front, 8102: checkout, 8103: payments, 8104: customers };
    const flags: Record<string, string> = {
      "shop-storefront --port ${port}": ` --checkout http://127.0.0.1:${checkout}`,
      "shop-checkout --port ${port}": ` --payments http://127.0.0.1:${payments}`,
      "shop-customers --port ${port}": ` --storefront http://127.0.0.1:${front}`,
    };
    for (const file of ["mainstay.yaml", "runbooks/restore-checkout.yaml", "runbooks/unstick-confirmations.yaml"]) {
      let text = readFileSync(join(this.example, file), "utf8").replace(/\b810[1-4]\b/g, (port) => String(to[port]));
      for (const [command, flag] of Object.entries(flags)) text = text.replace(command, command + flag);
      writeFileSync(join(this.example, file), text);
    }
  }

  get payments(): string {
    return `http://127.0.0.1:${this.ports[2]}`;
  }

  async start(): Promise<void> {
    const [http, otlp] = [this.ports[4], this.ports[5]];
    const data = join(this.dir, "data");
    this.base = `http://127.0.0.1:${http}`;
    const env = { ...process.env };
    for (const name of ["MAINSTAY_DATA", "MAINSTAY_SERVER", "MAINSTAY_TOKEN", "MAINSTAY_AGENT_SOCKET"]) delete env[name];
    const from = this.said.length;
    const child = spawn(binary(), ["up", "examples/shop", "--data", data, "--port", String(http), "--otlp-http", `127.0.0.1:${otlp}`, "--otlp-grpc", "off"], { cwd: this.dir, env, stdio: ["ignore", "pipe", "pipe"] });
    this.up = child;
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (piece: Buffer) => (this.said += piece.toString()));
    let ended: number | null | undefined;
    child.once("exit", (code) => (ended = code));
    await eventually("every service is ready", () => {
      if (ended !== undefined) throw new Error(`mainstay up ended with ${ended}: ${this.said.slice(from)}`);
      return this.said.slice(from).includes("all ready");
    }).catch((error: unknown) => {
      throw new Error(`${String(error)}\n${this.said.slice(from)}`);
    });
    this.token = readFileSync(join(data, "token"), "utf8").trim();
  }

  /** Ends server, agent and services as Ctrl-C does. */
  async stopServer(): Promise<void> {
    const child = this.up;
    this.up = undefined;
    if (!child || child.exitCode !== null) return;
    const gone = new Promise((resolve) => child.once("exit", resolve));
    child.kill("SIGINT");
    await gone;
  }

  async stop(): Promise<void> {
    await this.browser?.close();
    await this.stopServer();
    rmSync(this.dir, { recursive: true, force: true });
  }

  async api<T>(path: string, body?: unknown): Promise<T> {
    const response = await fetch(this.base + path, {
      method: body === undefined ? "GET" : "POST",
      headers: { authorization: `Bearer ${this.token}`, ...(body === undefined ? {} : { "content-type": "application/json" }) },
      ...(body === undefined ? {} : { body: JSON.stringify(body) }),
    });
    if (!response.ok) throw new Error(`${path}: ${response.status} ${await response.text()}`);
    return (await response.json()) as T;
  }

  /** The fault that the demo provokes: payments no longer gives its connections back. */
  async leak(): Promise<void> {
    const response = await fetch(`${this.payments}/faults/leak`, { method: "POST" });
    expect(response.ok).toBe(true);
  }

  /** A user with a password of their own. */
  async user(name: string, ...grants: { role: string; on?: string }[]): Promise<void> {
    await this.api("/v1/users", { user: name, password: PASSWORD, grants: grants.map((grant) => ({ on: "*", ...grant })) });
  }

  /** A page of a browser that is signed in, as the machine's operator if nobody is named. What it complains of fails the test
      that looks at `complaints`. */
  async open(path: string, options: Opening = {}): Promise<Opened> {
    if (!this.browser) throw new Error("no browser");
    const { width = 1440, height = 900, theme = "light", as, at = this.base, until = "load", zone } = options;
    const context = await this.browser.newContext({ viewport: { width, height }, colorScheme: theme, reducedMotion: "reduce", ...(zone === undefined ? {} : { timezoneId: zone }) });
    if (as !== null) {
      const link = await this.api<{ path: string }>("/v1/sign-in/link", as === undefined ? {} : { user: as });
      // Opened without following where it leads: the cookie is the browser's from then on.
      await context.request.get(at + link.path, { maxRedirects: 0 });
    }
    const page = await context.newPage();
    const complaints: string[] = [];
    listen(page, complaints);
    await page.goto(at + path, { waitUntil: until });
    return { page, context, complaints, close: () => context.close() };
  }
}

/** What a page complains of. */
export function listen(page: Page, complaints: string[]): void {
  page.on("pageerror", (error) => complaints.push(`error: ${error.message}`));
  page.on("console", (message) => {
    if (message.type() === "error") complaints.push(`console: ${message.text()}`);
  });
}

/** `as` names a user, or is null for nobody; `at` is another address of the server; `until` is what the opening waits for. */
interface Opening { width?: number; height?: number; theme?: "light" | "dark"; as?: string | null | undefined; at?: string; until?: "load" | "commit"; /** Where the reader is. */ zone?: string }
export interface Opened { page: Page; context: BrowserContext; complaints: string[]; close: () => Promise<void> }

/** The pictures that `docs/` and the README show, by what they are called there. */
const KEPT: Record<string, string> = {
  "story-now-fault": "now-light", "incident-1440-dark": "incident-dark", "run-1440-light": "run-light", "now-390-dark": "phone-dark",
};

/** A picture of what is seen; where MAINSTAY_PICTURES names a folder, those that are shown somewhere are kept there, small. */
export async function picture(page: Page, name: string): Promise<void> {
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: join(shots, `${name}.png`) });
  const kept = KEPT[name];
  if (kept === undefined || !process.env.MAINSTAY_PICTURES) return;
  const tools = await page.context().newCDPSession(page);
  const { data } = await tools.send("Page.captureScreenshot", { format: "webp", quality: 80 });
  await tools.detach();
  const bytes = Buffer.from(data, "base64");
  expect(bytes.length, `${kept} is too large to be kept`).toBeLessThan(150_000);
  writeFileSync(join(process.env.MAINSTAY_PICTURES, `console-${kept}.webp`), bytes);
}

interface Violation { id: string; impact: string; nodes: { target: string[]; html: string; failureSummary?: string }[] }
const axe = readFileSync(createRequire(import.meta.url).resolve("axe-core/axe.min.js"), "utf8");

/** What axe-core finds serious on a page. */
export async function faultsFor(page: Page): Promise<string[]> {
  // Through the developer tools' own door: the content security policy stays as it is.
  const found = await page.evaluate(`${axe}; axe.run(document, { runOnly: ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"], resultTypes: ["violations"] }).then((result) => result.violations)`);
  return (found as Violation[]).filter(({ impact }) => ["serious", "critical"].includes(impact)).flatMap((violation) =>
    violation.nodes.slice(0, 3).map((node) => `${violation.id} (${violation.impact}) at ${node.target.join(" ")}: ${node.html.slice(0, 160)} ${node.failureSummary?.split("\n")[1]?.trim() ?? ""}`));
}

/** Nothing is read any more. */
export async function settled(page: Page): Promise<void> {
  await page.waitForFunction(() => document.querySelector("main")?.getAttribute("aria-busy") === "false" && document.querySelector(".loading") === null);
}
