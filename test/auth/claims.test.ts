// What the claims of a token have to say.

import { assert, describe, test } from "vitest"
import { nowSeconds, signed } from "../support/issuer.ts"
import { asked, key, open, rootClaims, signedRaw } from "./tokens.ts"
import { believed, refusedFor } from "./world.ts"

describe("claims", () => {
  test("have to tell when the token expires, and it has not", async () => {
    const refused = async (exp: unknown, reason: RegExp) =>
      refusedFor(await asked.withToken(await signedRaw({}, { sub: "a", exp })), reason)
    refusedFor(await asked.withToken(await signed(key, { exp: undefined })), /has no exp/)
    await refused("4102444800", /has no exp/)
    await refused(null, /has no exp/)
    await refused(nowSeconds() - 31, /expired at 20/)
    await refused(-1e300, /expired at/)
    believed(await asked.withToken(await signed(key, { exp: nowSeconds() - 20 })))
    assert.strictEqual(believed(await asked.withToken(await signed(key, { exp: 1e300 }))).expiresMs, 8.64e15)
  })

  test("are not for later", async () => {
    refusedFor(await asked.withToken(await signed(key, { nbf: nowSeconds() + 40 })), /is not valid before 20/)
    refusedFor(await asked.withToken(await signed(key, { nbf: 1e300 })), /is not valid before/)
    const text = { ...rootClaims(), nbf: "0" }
    refusedFor(await asked.withToken(await signedRaw({}, text)), /nbf is no number/)
    believed(await asked.withToken(await signed(key, { nbf: nowSeconds() + 20 })))
  })

  test("may be off by the leeway alone", async () => {
    await using strict = await open({ leewayMs: 0 })
    refusedFor(await strict.withToken(await signed(key, { exp: nowSeconds() })), /expired at/)
    refusedFor(await strict.withToken(await signed(key, { nbf: nowSeconds() + 20 })), /is not valid before/)
  })

  test("name an issuer that is believed", async () => {
    await using from = await open({ issuers: ["https://a", "https://b"] })
    for (const iss of ["https://a", "https://b"]) believed(await from.withToken(await signed(key, { iss })))
    for (const iss of [undefined, "https://a/", "https://c", ["https://a"]]) {
      refusedFor(await from.withToken(await signedRaw({}, { ...rootClaims(), iss })), /its iss is/)
    }
  })

  test("name an audience that is meant", async () => {
    await using to = await open({ audiences: ["shop", "state"] })
    for (const aud of ["shop", "state", ["x", "shop"]]) believed(await to.withToken(await signed(key, { aud })))
    for (const aud of [undefined, "x", ["x"], [], { shop: true }, "shopx"]) {
      refusedFor(await to.withToken(await signedRaw({}, { ...rootClaims(), aud })), /its aud is/)
    }
  })

  test("have all scopes that are needed, under either name", async () => {
    await using needs = await open({ scopes: ["read", "write"] })
    for (const some of [
      { scope: "write x read" },
      { scp: ["read", "write"] },
      { scp: "read write" },
      { scope: "read", scp: ["write"] }
    ]) {
      believed(await needs.withToken(await signed(key, some)))
    }
    for (const some of [
      {},
      { scope: "read" },
      { scp: ["readwrite"] },
      { scope: "READ WRITE" },
      { scope: "read,write" }
    ]) {
      const outcome = await needs.withToken(await signed(key, some))
      assert("_tag" in outcome && outcome._tag === "PermissionDenied")
      assert.strictEqual(outcome.scope, "read write")
      assert.match(outcome.reason!, /lack .*write/)
    }
  })

  test("are those of a bearer: a token that is bound to a key is not believed without it", async () => {
    refusedFor(await asked.withToken(await signed(key, { cnf: { "x5t#S256": "abc" } })), /bound to a key \(cnf\)/)
  })

  test("can be stored", async () => {
    refusedFor(await asked.withToken(await signed(key, { name: "a\u0000b" })), /claim name /)
  })

  test("of which some may be kept are told apart", async () => {
    await using keeps = await open({ eventClaims: ["tenant", "sub", "__proto__", "none"] })
    const principal = believed(await keeps.withToken(await signed(key, { tenant: "acme", email: "a@b" })))
    assert.strictEqual(principal.claims["email"], "a@b")
    assert.deepStrictEqual(principal.eventClaims, { tenant: "acme", sub: "alice" })
  })
})
