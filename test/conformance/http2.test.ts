import { spawn } from "node:child_process"
import { text } from "node:stream/consumers"
import { Effect } from "effect"
import { assert, describe, test } from "vitest"
import { listen } from "../../adapters/transport/listener/listen.ts"
import { testCertificates } from "../support/certificate.ts"
import { need, program } from "../support/need.ts"
import { echo, http2InTests } from "../transport/listener/clients.ts"

// h2spec asks a server for everything that HTTP/2 and HPACK demand of one, case by case. It must be strict. It is
// mandatory where CI is set: see test/support/need.ts.

const version = "v2.2.1"
const h2spec = need("h2spec", {
  enable: `go install github.com/summerwind/h2spec/cmd/h2spec@${version}+incompatible`,
  found: program("h2spec")
})

/** Where CI is set these tests fail without it, however they are run. */
const skip = h2spec.options.skip && process.env["CI"] === undefined

const report = (tls: boolean) =>
  Effect.gen(function* () {
    const { port } = yield* listen(
      { host: "127.0.0.1", port: 0, graceMs: 0, tls: tls ? testCertificates() : undefined, http2: http2InTests },
      echo
    )
    const args = [
      "--host",
      "127.0.0.1",
      "--port",
      String(port),
      "--strict",
      "--timeout",
      http2InTests === "own" ? "10" : "2"
    ]
    return yield* Effect.promise(async (signal) => {
      const run = spawn(h2spec.found ?? "h2spec is missing", tls ? [...args, "--tls", "--insecure"] : args, {
        stdio: ["ignore", "pipe", "ignore"],
        signal
      })
      return await text(run.stdout)
    })
  }).pipe(Effect.scoped, Effect.runPromise)

/** What h2spec finds in one that is not strict, without what follows the number of a case. */
const failures = (output: string) => (output.slice(output.indexOf("Failures:")).match(/×.+/g) ?? []).sort()

// A connection that does not begin like HTTP/2 is one of HTTP/1.1 here, and answered in its words.
const noPreface = "× 2: Sends invalid connection preface"

/** Where nghttp2, which Node uses, ignores what RFC 9113 lets it answer, or ends the connection instead of a stream. */
const ofNode = [
  "× 11: closed: Sends a DATA frame",
  "× 12: closed: Sends a HEADERS frame",
  "× 1: Sends HEADERS frames that causes their advertised concurrent stream limit to be exceeded",
  "× 1: Sends a PRIORITY frame with 0x0 stream identifier",
  "× 2: Sends PRIORITY frame that depend on itself",
  "× 2: Sends a PING frame with ACK",
  "× 2: Sends stream identifier that is numerically smaller than previous",
  "× 3: Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1 on a stream",
  "× 8: closed: Sends a DATA frame after sending RST_STREAM frame",
  "× 9: closed: Sends a HEADERS frame after sending RST_STREAM frame"
]

const allowed = http2InTests === "own" ? [] : ofNode

/** The sum of the waits for answers that do not come: each failure takes one. */
const timeoutMs = 180_000

describe("HTTP/2, by h2spec", () => {
  test("every case, over TLS", { ...h2spec.options, skip, timeout: timeoutMs }, async () => {
    const output = await report(true)
    assert.include(output, "146 tests, ", output)
    assert.deepStrictEqual(beyond(failures(output), allowed), [], output)
  })

  test("every case in plaintext but one", { ...h2spec.options, skip, timeout: timeoutMs }, async () => {
    const output = await report(false)
    assert.include(output, "146 tests, ", output)
    assert.include(failures(output), noPreface)
    assert.deepStrictEqual(beyond(failures(output), [noPreface, ...allowed]), [], output)
  })
})

const beyond = (found: ReadonlyArray<string>, expected: ReadonlyArray<string>) =>
  found.filter((failure) => !expected.includes(failure))
