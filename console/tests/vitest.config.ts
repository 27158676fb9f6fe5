// Two sets of tests: `unit` needs Node alone, `e2e` a built server, the example's services and Chromium. Those of `e2e`
// start real processes, so one file runs after the other.
import { defineConfig } from "vitest/config";

export default defineConfig({
  test: {
    root: new URL("..", import.meta.url).pathname,
    include: ["tests/{unit,e2e}/**/*.test.ts"],
    environment: "node",
    fileParallelism: false,
    testTimeout: 90_000,
    hookTimeout: 120_000,
    // A failure of one step of a story makes the next ones meaningless.
    bail: 0,
    reporters: ["verbose"],
  },
});
