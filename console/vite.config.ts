// Builds the console into `dist`, from where the server embeds it. `npm run dev` serves it with hot reload and hands
// every call of the API on to a running `mainstay up`: MAINSTAY_SERVER says where that is, MAINSTAY_DATA its data
// directory, whose token signs the calls in.
import { existsSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import react from "@vitejs/plugin-react";
import { defineConfig, type Plugin } from "vite";

// The server embeds compressed files only: each is kept as `NAME.gz`.
function compressed(): Plugin {
  let folder = "dist";
  return {
    name: "mainstay-compressed",
    apply: "build",
    configResolved(config) {
      folder = join(config.root, config.build.outDir);
    },
    closeBundle() {
      for (const entry of readdirSync(folder, { withFileTypes: true, recursive: true })) {
        if (!entry.isFile() || entry.name.endsWith(".gz")) continue;
        const path = join(entry.parentPath, entry.name);
        writeFileSync(`${path}.gz`, gzipSync(readFileSync(path), { level: 9 }));
        rmSync(path);
      }
    },
  };
}

const server = process.env.MAINSTAY_SERVER ?? "http://127.0.0.1:7600";
const tokenFile = join(process.env.MAINSTAY_DATA ?? ".mainstay", "token");

export default defineConfig({
  plugins: [react(), compressed()],
  build: {
    target: "es2022",
    // Nothing is inlined: the content security policy allows the server's own files and nothing else.
    assetsInlineLimit: 0,
    modulePreload: { polyfill: false },
    reportCompressedSize: false,
    chunkSizeWarningLimit: 2000,
    manifest: "manifest.json",
  },
  server: {
    proxy: Object.fromEntries(
      ["/v1", "/api", "/docs", "/enter"].map((path) => [
        path,
        {
          target: server,
          configure(proxy: { on(event: "proxyReq", then: (request: { setHeader(name: string, value: string): void }) => void): void }) {
            proxy.on("proxyReq", (request) => {
              if (existsSync(tokenFile)) {
                request.setHeader("authorization", `Bearer ${readFileSync(tokenFile, "utf8").trim()}`);
              }
            });
          },
        },
      ]),
    ),
  },
});
