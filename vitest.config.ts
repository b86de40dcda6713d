import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

export default defineConfig({
  test: {
    include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"],
    setupFiles: ["test/support/runtime.ts"],
    // No test asserts how long something takes; these only end a test that hangs, on a slow and busy machine too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many files wait for servers rather than compute: two at a time, even where there is but one core.
    maxWorkers: Math.max(2, availableParallelism() - 1)
  }
})
