import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { listen } from "../../adapters/transport/listener/listen.ts"
import { testCertificates } from "../support/certificate.ts"
import { need, program } from "../support/need.ts"
import { echo } from "../transport/listener-clients.ts"

// h2spec asks a server for everything that HTTP/2 and HPACK demand of one, case by case. It must be strict.

const version = "v2.2.1"
const h2spec = need("h2spec", {
  enable: `go install github.com/summerwind/h2spec/cmd/h2spec@${version}+incompatible`,
  found: program("h2spec")
})

const report = (tls: boolean) =>
  Effect.gen(function* () {
    const { port } = yield* listen(
      { host: "127.0.0.1", port: 0, graceMs: 0, tls: tls ? testCertificates() : undefined },
      echo
    )
    const args = ["--host", "127.0.0.1", "--port", String(port), "--strict", "--timeout", "10"]
    return yield* Effect.promise(async (signal) => {
      const run = spawn(h2spec.found!, tls ? [...args, "--tls", "--insecure"] : args, {
        stdio: ["ignore", "pipe", "ignore"],
        signal
      })
      return await text(run.stdout)
    })
  }).pipe(Effect.scoped, Effect.runPromise)

describe("HTTP/2, by h2spec", () => {
  test("every case, over TLS", h2spec.options, async () => {
    const output = await report(true)
    assert.include(output, "146 tests, 146 passed, 0 skipped, 0 failed", output)
  })

  test("every case in plaintext but one", h2spec.options, async () => {
    const output = await report(false)
    // A connection that does not begin like HTTP/2 is one of HTTP/1.1 here, and answered in its words.
    const failures = output.slice(output.indexOf("Failures:"))
    assert.deepStrictEqual(failures.match(/×.+/g), ["× 2: Sends invalid connection preface"], output)
    assert.include(output, "146 tests, 145 passed, 0 skipped, 1 failed")
  })
})
