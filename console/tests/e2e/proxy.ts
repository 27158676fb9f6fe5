// A line between a browser and the server that can be cut, frozen and made slow.

import { connect, createServer, type Server, type Socket } from "node:net";

export class Line {
  base = "";
  private sockets = new Set<Socket>();
  private isCut = false;
  private isFrozen = false;
  private waiting: (() => void)[] = [];
  /** How long each piece takes, and how many bytes go through in a second. */
  private slowness: { delayMs: number; bytesPerSecond: number } | undefined;

  private constructor(private readonly server: Server) {}

  static async to(port: number): Promise<Line> {
    const server = createServer();
    const line = new Line(server);
    server.on("connection", (near) => line.join(near, port));
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    const address = server.address();
    line.base = `http://127.0.0.1:${typeof address === "object" && address ? address.port : 0}`;
    return line;
  }

  private join(near: Socket, port: number): void {
    if (this.isCut) return void near.destroy();
    const far = connect(port, "127.0.0.1");
    for (const [one, other] of [[near, far], [far, near]] as const) {
      this.sockets.add(one);
      one.setNoDelay(true);
      one.on("error", () => other.destroy());
      one.on("close", () => {
        this.sockets.delete(one);
        other.destroy();
      });
      void this.pump(one, other);
    }
  }

  /** Hands on what one side says, as the line is at that moment. */
  private async pump(from: Socket, to: Socket): Promise<void> {
    try {
      for await (const piece of from as AsyncIterable<Buffer>) {
        if (this.isFrozen) await new Promise<void>((resolve) => this.waiting.push(resolve));
        const slow = this.slowness;
        if (slow) await new Promise((resolve) => setTimeout(resolve, slow.delayMs + (1000 * piece.length) / slow.bytesPerSecond));
        if (!to.write(piece)) await new Promise<void>((resolve) => to.once("drain", resolve).once("close", resolve));
      }
      to.end();
    } catch {
      to.destroy();
    }
  }

  /** Every connection breaks, and no new one is taken. */
  cut(): void {
    this.isCut = true;
    for (const socket of this.sockets) socket.destroy();
  }

  /** Nothing comes through, and nobody is told. */
  freeze(): void {
    this.isFrozen = true;
  }

  slow(delayMs: number, bytesPerSecond: number): void {
    this.slowness = { delayMs, bytesPerSecond };
  }

  mend(): void {
    this.isCut = false;
    this.isFrozen = false;
    this.slowness = undefined;
    for (const go of this.waiting.splice(0)) go();
  }

  async close(): Promise<void> {
    this.cut();
    this.mend();
    await new Promise((resolve) => this.server.close(resolve));
  }
}
