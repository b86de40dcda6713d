// What every authenticator must do that believes tokens of an issuer.

import { Context, Effect, type Layer } from "effect"
import { assert } from "vitest"
import { Authenticator } from "../../../application/ports/Authenticator.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { type Law, register, same } from "../law.ts"

/** The issuer that the authenticator under test believes, and others. */
export class Tokens extends Context.Service<
  Tokens,
  {
    /** A token of the issuer with these claims, and no others but the `iss`. */
    readonly good: (claims: JsonObject) => Promise<string>
    /** A token with these claims that claims to be of the issuer, and is not. */
    readonly forged: (claims: JsonObject) => Promise<string>
  }
>()("test/contract/authenticator/Tokens") {}

type Needs = Authenticator | Tokens

const inAnHour = () => Math.floor(Date.now() / 1000) + 3600

const ask = (authorization: string | undefined) =>
  Authenticator.use(({ authenticate }) => Effect.result(authenticate(authorization)))
const made = (make: (tokens: Tokens["Service"]) => Promise<string>) =>
  Effect.flatMap(Tokens, (tokens) => Effect.promise(() => make(tokens)))

const principalOf = Effect.fnUntraced(function* (authorization: string) {
  const result = yield* ask(authorization)
  if (result._tag === "Failure") return assert.fail(`a good token is refused: ${result.failure.message}`)
  return result.success
})

const refusalOf = Effect.fnUntraced(function* (authorization: string | undefined, what: string) {
  const result = yield* ask(authorization)
  if (result._tag === "Success") return assert.fail(`${what} is believed`)
  const { failure } = result
  if (failure._tag !== "Unauthenticated") return assert.fail(`${what} is refused as ${failure._tag}`)
  return failure
})

const own: Law<Needs> = {
  name: "a good token gives its own claims, all of them, each time and beside others",
  check: Effect.gen(function* () {
    const callers = Array.from({ length: 20 }, (_, i) => ({
      sub: `caller-${i}`,
      tenant: "acme",
      n: i,
      exp: inAnHour()
    }))
    const tokens = yield* Effect.forEach(callers, (claims) => made(({ good }) => good(claims)))
    for (const scheme of ["Bearer", "bearer", "BEARER  "]) {
      const found = yield* Effect.forEach(tokens, (token) => principalOf(`${scheme} ${token}`), {
        concurrency: "unbounded"
      })
      for (const [i, { claims }] of found.entries()) {
        const { iss: _, ...others } = claims
        same(others, callers[i], `claims of ${scheme}`)
      }
    }
  })
}

const believedAlone: Law<Needs> = {
  name: "a token that is forged, altered or expired is refused, also right after a good one",
  check: Effect.gen(function* () {
    const claims = { sub: "alice", exp: inAnHour() }
    const token = yield* made(({ good }) => good(claims))
    yield* principalOf(`Bearer ${token}`)
    yield* refusalOf(`Bearer ${yield* made(({ forged }) => forged(claims))}`, "a forged token")
    const expired = yield* made(({ good }) => good({ ...claims, exp: inAnHour() - 7200 }))
    for (let i = 0; i < 2; i++) yield* refusalOf(`Bearer ${expired}`, "an expired token")
    for (const at of [0, token.length >> 1, token.length - 2, token.length - 1]) {
      const other = token[at] === "A" ? "B" : "A"
      yield* refusalOf(`Bearer ${token.slice(0, at)}${other}${token.slice(at + 1)}`, `a token altered at ${at}`)
    }
    yield* refusalOf(`Bearer ${token.slice(0, -1)}`, "a token cut short")
    yield* refusalOf(`Bearer ${token}A`, "a token with more behind it")
    yield* principalOf(`Bearer ${token}`)
  })
}

const one: Law<Needs> = {
  name: "a caller brings one token: none, two, or one of another scheme is refused",
  check: Effect.gen(function* () {
    const token = yield* made(({ good }) => good({ sub: "alice", exp: inAnHour() }))
    const other = yield* made(({ good }) => good({ sub: "bob", exp: inAnHour() }))
    yield* refusalOf(undefined, "no token")
    for (const text of [
      token,
      `Basic ${token}`,
      `Bearer ${token} ${other}`,
      `Bearer ${token}, Bearer ${other}`,
      "Bearer"
    ]) {
      const { error } = yield* refusalOf(text, text)
      assert.strictEqual(error, "invalid_request")
    }
  })
}

const expiry: Law<Needs> = {
  name: "it tells when the token expires, in milliseconds, each time",
  check: Effect.gen(function* () {
    const exp = inAnHour()
    const token = yield* made(({ good }) => good({ sub: "alice", exp }))
    for (let i = 0; i < 2; i++) {
      const { expiresMs } = yield* principalOf(`Bearer ${token}`)
      assert.strictEqual(expiresMs, exp * 1000)
    }
  })
}

const silent: Law<Needs> = {
  name: "callers learn that a token is bad, and the log learns why",
  check: Effect.gen(function* () {
    const claims = { sub: "alice", exp: inAnHour() }
    const forged = yield* made((tokens) => tokens.forged(claims))
    const expired = yield* made((tokens) => tokens.good({ ...claims, exp: inAnHour() - 7200 }))
    const refusals = yield* Effect.forEach([forged, expired], (token) => refusalOf(`Bearer ${token}`, "a bad token"))
    for (const { error, message, reason } of refusals) {
      assert.deepStrictEqual([error, message], ["invalid_token", refusals[0]!.message])
      assert.isNotEmpty(reason)
      for (const token of [forged, expired]) assert.notInclude(`${message} ${reason}`, token)
    }
    assert.notStrictEqual(refusals[0]!.reason, refusals[1]!.reason)
  })
}

const status: Law<Needs> = {
  name: "while tokens can be verified, the keys are well",
  check: Effect.gen(function* () {
    yield* principalOf(`Bearer ${yield* made(({ good }) => good({ sub: "alice", exp: inAnHour() }))}`)
    assert.strictEqual(yield* Authenticator.use(({ keys }) => keys), "ok")
  })
}

export const tokenLaws: ReadonlyArray<Law<Needs>> = [own, believedAlone, one, expiry, silent, status]

/** For an authenticator that requires a token, and puts no demands on it but the issuer's. */
export const tokenContract = (name: string, layer: Layer.Layer<Needs, unknown>): void => {
  register(`Authenticator contract for tokens (${name})`, tokenLaws, layer)
}
