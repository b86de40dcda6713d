import { availableParallelism } from "node:os"
import { defineConfig } from "vitest/config"

/** What is tested from outside, and so whatever serves HTTP/2. */
const overHttp2 = [
  "test/transport/{grpc/fast-path,http/oversized-headers,listener/*,sse/write}.test.ts",
  "test/conformance/{conformance,http2}.test.ts",
  "test/e2e/{clients,shared-channel,tls}.test.ts"
]

export default defineConfig({
  test: {
    setupFiles: ["test/support/runtime.ts"],
    // No test asserts how long something takes; these only end a test that hangs, on a slow and busy machine too.
    testTimeout: 60_000,
    hookTimeout: 60_000,
    // Many files wait for servers rather than compute: two at a time, even where there is but one core.
    maxWorkers: Math.max(2, availableParallelism() - 1),
    // On Bun node:http2 is Bun's own, which is no stand-in that anyone would run.
    projects: [
      { extends: true, test: { name: "own", include: ["test/**/*.test.ts", "packages/*/test/**/*.test.ts"] } },
      ...("Bun" in globalThis
        ? []
        : [
            {
              extends: true as const,
              test: { name: "node:http2", include: overHttp2, env: { STATEGATE_HTTP2: "node" } }
            }
          ])
    ]
  }
})
