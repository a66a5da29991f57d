import { defineConfig } from "vitest/config";

export default defineConfig({
  define: { __VERSION__: JSON.stringify("0.0.0-test") },
  test: {
    include: ["tests/**/*.test.ts"],
    globalSetup: ["tests/support/servers.ts"],
    testTimeout: 60_000 * Number(process.env.PATIENCE ?? 1),
    // The order within a file is random; SEED in the environment repeats it.
    sequence: { shuffle: { tests: true, files: true }, seed: Number(process.env.SEED ?? Date.now()) },
    // Live tests wait more than they compute.
    maxWorkers: 4,
    // Without servers, the files of live tests hold none.
    passWithNoTests: true,
  },
});
