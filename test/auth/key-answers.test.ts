// What a server answers instead of keys, and keys that are no good.

import type { ServerResponse } from "node:http"
import { assert, describe, test } from "vitest"
import type { RemoteTimes } from "../../adapters/auth/jwt/remote-keys.ts"
import { type Issuer, send, signed, signingKey } from "../support/issuer.ts"
import { reading, started } from "./issuers.ts"
import { believed, refusedFor } from "./world.ts"

const first = await signingKey("first")
const second = await signingKey("second")

describe("an answer is refused, and the keys before it serve, when it", () => {
  const big = "x".repeat(1024)
  const stream = (response: ServerResponse, chunk: string, times: number) => {
    response.writeHead(200, { "content-type": "application/json" })
    response.on("error", () => {})
    let left = times
    const more = () => {
      while (left-- > 0) if (!response.write(chunk)) return void response.once("drain", more)
      response.end()
    }
    more()
  }
  const cases: Readonly<
    Record<string, readonly [answer: NonNullable<Issuer["answer"]>, reason: RegExp, times?: RemoteTimes]>
  > = {
    "is 10 MB": [(_, response) => stream(response, big, 10_240), /larger than 1048576 bytes/],
    "is without end": [(_, response) => stream(response, big, Number.POSITIVE_INFINITY), /larger than 1048576 bytes/],
    "has 10,000 keys": [
      (_, response) => send(response, { keys: Array.from({ length: 10_000 }, (_, i) => ({ kty: "EC", kid: `${i}` })) }),
      /must not hold more than 6400 keys and values/
    ],
    "has 101 keys": [
      (_, response) => send(response, { keys: Array.from({ length: 101 }, () => second.jwk) }),
      /has 101 keys; at most 100 are taken/
    ],
    "redirects to another origin": [
      (_, response) => void response.writeHead(302, { location: "http://127.0.0.1:1/jwks" }).end(),
      /redirects to another origin/
    ],
    "redirects to another scheme": [
      (request, response) => void response.writeHead(307, { location: `https://${request.headers.host}/jwks` }).end(),
      /redirects to another origin/
    ],
    "redirects to a file": [
      (_, response) => void response.writeHead(301, { location: "file:///etc/passwd" }).end(),
      /redirects to another origin/
    ],
    "redirects in a circle": [
      (_, response) => void response.writeHead(302, { location: "/jwks" }).end(),
      /redirects more than 3 times/
    ],
    "is a page": [
      (_, response) => void response.writeHead(200, { "content-type": "text/html" }).end("<!doctype html><p>Log in"),
      /must be valid JSON/
    ],
    "is an error": [(_, response) => void response.writeHead(500).end("oops"), /status 500/],
    "has no content": [(_, response) => void response.writeHead(204).end(), /status 204/],
    "is no key set": [(_, response) => send(response, [second.jwk]), /list of "keys"/],
    "has no keys": [(_, response) => send(response, { keys: [] }), /no key that can verify/],
    "has secrets alone": [
      (_, response) => send(response, { keys: [{ kty: "oct", k: "c2VjcmV0", kid: "second" }] }),
      /no key that can verify tokens; keys\[0\] is of no asymmetric type/
    ],
    "is not UTF-8": [(_, response) => void response.writeHead(200).end(Buffer.from([0x22, 0xff, 0x22])), /valid/i],
    "never begins": [() => {}, /no complete answer within 50 ms/, { msMax: 50 }],
    "never ends": [
      (_, response) => void response.writeHead(200).write("{"),
      /no complete answer within 50 ms/,
      { msMax: 50 }
    ],
    "is cut off": [
      (_, response) => {
        response.writeHead(200, { "content-length": "1000" })
        response.write("{", () => response.destroy())
      },
      /./
    ]
  }

  test.each(Object.entries(cases))("%s", async (_, [answer, reason, times]) => {
    const issuer = await started(first)
    const asked = await reading(issuer, { ...times, cooldownMs: 3_600_000, retryMs: 3_600_000, retryMsMax: 3_600_000 })
    issuer.answer = answer
    refusedFor(await asked.withToken(await signed(second)), /names the key "second"/)
    assert.match(asked.lines.join("\n"), reason)
    assert.strictEqual(asked.counted("keyReadFailures"), 1)
    assert.strictEqual(await asked.keys(), "stale")
    believed(await asked.withToken(await signed(first)))
  })

  test("follows redirects within its origin", async () => {
    const issuer = await started(first)
    issuer.answer = (request, response) => {
      if (request.url === "/elsewhere") send(response, { keys: issuer.keys })
      else response.writeHead(302, { location: "/elsewhere" }).end()
    }
    believed(await (await reading(issuer)).withToken(await signed(first)))
  })
})

describe("a key is left out, and the log says why, when it", () => {
  const cases: Readonly<Record<string, readonly [change: object, reason: RegExp]>> = {
    "is for encryption": [{ use: "enc" }, /is not for signatures/],
    "is not for verifying": [{ key_ops: ["sign"] }, /is not for verifying/],
    "is for another algorithm": [{ alg: "ES384" }, /for no algorithm that is believed/],
    "is on another curve": [{ crv: "secp256k1", alg: undefined }, /for no algorithm that is believed/],
    "is symmetric": [{ kty: "oct" }, /of no asymmetric type/],
    "lacks a part": [{ y: undefined }, /must have crv, x, y/],
    "has a coordinate of another size": [{ y: "AAAA" }, /is malformed/],
    "has a name that is none": [{ kid: 7 }, /has no usable kid/]
  }
  test.each(Object.entries(cases))("%s", async (_, [change, reason]) => {
    const issuer = await started(first)
    issuer.keys = [first.jwk, { ...second.jwk, ...change } as never]
    const asked = await reading(issuer)
    assert.match(asked.lines.join("\n"), reason)
    assert.strictEqual(asked.gauge("keys"), 1)
    believed(await asked.withToken(await signed(first)))
  })

  test("is a weak or a huge RSA key", async () => {
    const issuer = await started(first)
    const n = (bits: number) => Buffer.alloc(bits / 8, 0xff).toString("base64url")
    issuer.keys = [first.jwk, ...[1024, 16_384].map((bits) => ({ kty: "RSA", kid: `${bits}`, e: "AQAB", n: n(bits) }))]
    const asked = await reading(issuer)
    assert.lengthOf(
      asked.lines.filter((line) => line.includes("must have 2048 to 8192 bits")),
      2
    )
  })
})
