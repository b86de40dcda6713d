// The keys of an issuer stay fresh, and serve on while the issuer cannot be reached.

import { it } from "@effect/vitest"
import { Cause, Effect, Layer, Logger } from "effect"
import { TestClock } from "effect/testing"
import { assert, describe, test } from "vitest"
import { keySource } from "../../adapters/auth/jwt/key-source.ts"
import { combineTelemetry, Telemetry } from "../../application/telemetry.ts"
import { send, signed, signingKey } from "../support/issuer.ts"
import { discovered, isUnavailable, reading, started, until } from "./issuers.ts"
import { believed, refusedFor } from "./world.ts"

const first = await signingKey("first")
const second = await signingKey("second")

describe("keys are read again", () => {
  test("after the time that Cache-Control names", async () => {
    const issuer = await started(first)
    issuer.headers = { "cache-control": "public, max-age=0" }
    const asked = await reading(issuer)
    await issuer.askedTimes(4)
    believed(await asked.withToken(await signed(first)))
  })

  test("but not more often than the least time, nor less often than the most", async () => {
    const issuer = await started(first)
    issuer.headers = { "cache-control": "max-age=0" }
    await reading(issuer, { refreshMsMin: 3_600_000, refreshMsMax: 3_600_000 })
    const lazy = await started(first)
    lazy.headers = { "cache-control": "max-age=999999" }
    await reading(lazy, { refreshMsMax: 1 })
    await lazy.askedTimes(5)
    assert.strictEqual(issuer.asked, 1)
  })

  test("for a key id that is not known, once per cool-down however many tokens name one", async () => {
    const issuer = await started(first)
    const asked = await reading(issuer, { cooldownMs: 3_600_000 })
    assert.strictEqual(issuer.asked, 1)
    const strange = await Promise.all(Array.from({ length: 50 }, (_, i) => signed(second, {}, { kid: `strange-${i}` })))
    for (const outcome of await Promise.all(strange.map(asked.withToken)))
      refusedFor(outcome, /names the key "strange-/)
    for (const token of strange) refusedFor(await asked.withToken(token), /names the key "strange-/)
    assert.strictEqual(issuer.asked, 2)
  })

  test("so that a rotation fails no call: new keys are found by the first token, and old ones serve as long as they are published", async () => {
    const issuer = await started(first)
    const asked = await reading(issuer, { cooldownMs: 3_600_000 })
    const old = await signed(first)
    believed(await asked.withToken(old))
    issuer.keys = [first.jwk, second.jwk]
    const tokens = await Promise.all(Array.from({ length: 20 }, (_, i) => signed(second, { sub: `caller-${i}` })))
    const outcomes = await Promise.all([...tokens, old].map(asked.withToken))
    assert.deepStrictEqual(
      outcomes.map((outcome) => believed(outcome).claims["sub"]),
      [...tokens.map((_, i) => `caller-${i}`), "alice"]
    )
    assert.strictEqual(issuer.asked, 2)
  })

  test("once more for a key that is newer than a read that was under way", async () => {
    const issuer = await started(first)
    issuer.headers = { "cache-control": "max-age=0" }
    const asked = await reading(issuer)
    const held: Array<() => void> = []
    issuer.answer = (_, response) => {
      const body = { keys: issuer.keys }
      held.push(() => send(response, body))
    }
    await until(() => held.length > 0)
    // The answer under way has the old keys.
    issuer.keys = [second.jwk]
    const outcome = asked.withToken(await signed(second))
    issuer.answer = undefined
    held[0]!()
    believed(await outcome)
  })

  test("and a token whose key is not published any more is refused, though it was remembered", async () => {
    const issuer = await started(first, second)
    const asked = await reading(issuer)
    const [token, other] = await Promise.all([signed(first), signed(second)])
    believed(await asked.withToken(token))
    believed(await asked.withToken(other))
    assert.strictEqual(asked.gauge("tokens"), 2)
    issuer.keys = [second.jwk]
    refusedFor(await asked.withToken(await signed(first, {}, { kid: "unknown" })), /unknown/)
    refusedFor(await asked.withToken(token), /names the key "first"/)
    believed(await asked.withToken(other))
    assert.strictEqual(asked.gauge("tokens"), 1)
  })
})

describe("while an issuer is down", () => {
  test("at start, calls fail as unavailable, and it is tried until it is there", async () => {
    const issuer = await started(first)
    await issuer.close()
    const asked = await reading(issuer)
    const token = await signed(first)
    assert.isTrue(isUnavailable(await asked.withToken(token)))
    assert.strictEqual(await asked.keys(), "unavailable")
    assert.strictEqual(asked.gauge("keysAgeSeconds"), Number.POSITIVE_INFINITY)
    await issuer.listen()
    await until(async () => (await asked.keys()) === "ok")
    believed(await asked.withToken(token))
    // Once that it went wrong, and once that it is right again, however often it was tried.
    assert.lengthOf(
      asked.lines.filter((line) => line.startsWith("Error")),
      1
    )
    assert.match(asked.lines[0]!, /^Error the keys cannot be read \(http:.*refused.*; no token of that issuer/i)
    assert.match(asked.lines.at(-1)!, /can be read again/)
    assert.isAtLeast(asked.counted("keyReadFailures"), 1)
  })

  test("the last good keys serve, for new tokens as well as for those that are remembered", async () => {
    const issuer = await started(first)
    const asked = await reading(issuer)
    const known = await signed(first)
    believed(await asked.withToken(known))
    await issuer.close()
    refusedFor(await asked.withToken(await signed(second)), /names the key "second"/)
    await until(async () => (await asked.keys()) === "stale")
    believed(await asked.withToken(known))
    believed(await asked.withToken(await signed(first, { sub: "new" })))
  })

  test("they serve for a bounded time", async () => {
    const issuer = await started(first)
    const asked = await reading(issuer, { ageMsMax: 40, retryMs: 3_600_000, retryMsMax: 3_600_000 })
    const known = await signed(first)
    await issuer.close()
    await until(async () => (await asked.keys()) === "unavailable")
    assert.isTrue(isUnavailable(await asked.withToken(known)))
    assert.isTrue(isUnavailable(await asked.withToken(await signed(first, { sub: "new" }))))
  })

  test("and remembered tokens count no longer than the keys", async () => {
    const issuer = await started(first)
    const asked = await reading(issuer, { ageMsMax: 300, retryMs: 3_600_000, retryMsMax: 3_600_000 })
    const known = await signed(first)
    believed(await asked.withToken(known))
    await issuer.close()
    await until(async () => (await asked.keys()) === "unavailable")
    assert.isTrue(isUnavailable(await asked.withToken(known)))
  })
})

describe("several issuers", () => {
  test("are discovered, and the iss of a token picks", async () => {
    const [a, b] = [await started(first), await started(second)]
    const asked = await discovered(a.url, b.url)
    believed(await asked.withToken(await signed(first, { iss: a.url })))
    believed(await asked.withToken(await signed(second, { iss: b.url })))
    refusedFor(await asked.withToken(await signed(first, { iss: b.url })), /names the key "first", and none of/)
    refusedFor(await asked.withToken(await signed(first, { iss: "https://other" })), /has no keys here/)
    refusedFor(await asked.withToken(await signed(first)), /its iss is nothing/)
    assert.strictEqual(await asked.keys(), "ok")
  })

  test("of which one is down let the others serve", async () => {
    const [a, b] = [await started(first), await started(second)]
    await b.close()
    const asked = await discovered(a.url, b.url)
    believed(await asked.withToken(await signed(first, { iss: a.url })))
    assert.isTrue(isUnavailable(await asked.withToken(await signed(second, { iss: b.url }))))
    assert.strictEqual(await asked.keys(), "stale")
  })

  test("have to say that they are the ones that were asked", async () => {
    const a = await started(first)
    const asked = await discovered(`${a.url}/`)
    assert.strictEqual(await asked.keys(), "unavailable")
    assert.match(asked.lines.join("\n"), /is not the configuration of/)
  })
})

it.effect("a bug in a read is logged and counted, and keys are read again", () => {
  const [defects, lines]: [Array<string>, Array<string>] = [[], []]
  let reads = 0
  const read = Effect.suspend(() => {
    reads += 1
    return reads === 2
      ? Effect.die(new Error("a mistake of ours"))
      : Effect.succeed({ keys: undefined, againMs: 1_000 })
  })
  const logger = Logger.make<unknown, void>(({ cause }) => void lines.push(Cause.pretty(cause)))
  const heard = Layer.merge(
    Layer.succeed(Telemetry, combineTelemetry({ recordDefect: (fiber) => void defects.push(fiber) })),
    Logger.layer([logger])
  )
  return Effect.gen(function* () {
    yield* keySource("an issuer", read)
    yield* TestClock.adjust("10 seconds")
    assert.deepStrictEqual(defects, ["keys"])
    assert.match(lines.join("\n"), /a mistake of ours/)
    assert.isAbove(reads, 4)
  }).pipe(Effect.scoped, Effect.provide(heard))
})
