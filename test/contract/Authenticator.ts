// What every authenticator must do, whoever it believes. What each of them accepts is for its own tests to say.

import { Effect, type Layer } from "effect"
import { assert } from "vitest"
import { Unauthenticated, Unavailable } from "../../application/failure.ts"
import { Authenticator } from "../../application/ports/Authenticator.ts"
import { jsonProblem } from "../../domain/json.ts"
import { type Law, register, same } from "./law.ts"

/** Tokens that nobody was given. */
const hostile: ReadonlyArray<string | undefined> = [
  undefined,
  "",
  " ",
  ".",
  "..",
  "...",
  "\u0000",
  "a\r\nx-forwarded-for: 127.0.0.1",
  "\u001b[31m",
  "\ud800",
  "𝄞.𝄞.𝄞",
  "null",
  "{}",
  "Bearer a.b.c",
  "__proto__",
  // Header and claims of a JWT without a signature, for those who would take "none" for one.
  "eyJhbGciOiJub25lIn0.eyJzdWIiOiJyb290IiwiZXhwIjo0MTAyNDQ0ODAwfQ.",
  `${"eyJ".repeat(1000)}.${"eyJ".repeat(1000)}.`,
  ".".repeat(10_000),
  "x".repeat(1024 * 1024)
].flatMap((text) => (text === undefined ? [text] : [text, `Bearer ${text}`]))

/** What became of a token: what it says about its caller, or how it was refused. */
const outcome = (token: string | undefined) =>
  Authenticator.use((authenticator) => Effect.result(authenticator.authenticate(token)))

const plain: Law<Authenticator> = {
  name: "any token is accepted with claims that are plain JSON, or refused in words",
  check: Effect.forEach(
    hostile,
    Effect.fnUntraced(function* (token) {
      const result = yield* outcome(token)
      if (result._tag === "Failure") {
        const { failure } = result
        assert.isTrue(failure instanceof Unauthenticated || failure instanceof Unavailable, "a failure of the port")
        assert.isNotEmpty(failure.message)
        // A token may be somebody's secret, mistyped.
        if (token !== undefined && token.length > 4) assert.notInclude(failure.message, token)
        return
      }
      const { claims, expiresMs } = result.success
      assert.isTrue(claims !== null && typeof claims === "object" && !Array.isArray(claims), "claims are an object")
      same(JSON.parse(JSON.stringify(claims)), claims, "claims as JSON")
      assert.isUndefined(jsonProblem(claims), "claims can be stored")
      if (expiresMs !== undefined) assert.isTrue(Number.isFinite(expiresMs), "the time at which they expire")
    }),
    { discard: true }
  )
}

const repeated: Law<Authenticator> = {
  name: "a token means the same each time, however many are looked at at once",
  check: Effect.gen(function* () {
    const alone = yield* Effect.forEach(hostile, outcome)
    const many = [...hostile, ...hostile.toReversed(), ...hostile]
    const together = yield* Effect.forEach(many, outcome, { concurrency: "unbounded" })
    const expected = [...alone, ...alone.toReversed(), ...alone]
    for (const [i, result] of together.entries()) {
      const before = expected[i]!
      assert.strictEqual(result._tag, before._tag)
      if (result._tag === "Success" && before._tag === "Success") same(result.success, before.success, "the principal")
    }
  })
}

export const laws: ReadonlyArray<Law<Authenticator>> = [plain, repeated]

export const contract = (name: string, layer: Layer.Layer<Authenticator, unknown>): void => {
  register(`Authenticator contract (${name})`, laws, layer)
}
