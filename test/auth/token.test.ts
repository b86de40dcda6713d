// Which signatures are believed. Keys are real, and come from a real server.

import { Effect } from "effect"
import { CompactSign, exportJWK, exportSPKI, generateKeyPair, importJWK } from "jose"
import { assert, describe, test } from "vitest"
import { algorithms } from "../../adapters/auth/jwt/algorithms.ts"
import { keysAt } from "../../adapters/auth/jwt/remote-keys.ts"
import { Issuer, nowSeconds, type SigningKey, signed, signingKey } from "../support/issuer.ts"
import { asked, encoded, key, rootClaims, rsa } from "./tokens.ts"
import { believed, opened, refusedFor } from "./world.ts"

describe("a good token", () => {
  test("tells its claims, and when it expires", async () => {
    const exp = nowSeconds() + 60
    const token = await signed(key, { exp, tenant: "acme", roles: ["a", "b"] })
    assert.deepStrictEqual(believed(await asked.withToken(token)), {
      claims: { sub: "alice", exp, tenant: "acme", roles: ["a", "b"] },
      expiresMs: exp * 1000
    })
  })

  test.each(algorithms)("may be signed with %s", async (alg) => {
    const one = await signingKey("only", alg)
    const published = await Issuer.start(one)
    await using only = await opened(Effect.map(keysAt(published.jwksUri), (source) => [{ issuer: undefined, source }]))
    assert.strictEqual(believed(await only.withToken(await signed(one))).claims["sub"], "alice")
    await published.close()
  })

  test("may be of type at+jwt or JWT, in any case, or of none", async () => {
    for (const typ of ["at+jwt", "AT+JWT", "application/at+jwt", "JWT", "jwt", undefined]) {
      believed(await asked.withToken(await signed(key, {}, { typ })))
    }
  })

  test("needs no key id where one key alone fits", async () => {
    believed(await asked.withToken(await signed(key, {}, { kid: undefined })))
    believed(await asked.withToken(await signed(rsa, {}, { kid: undefined })))
  })
})

describe("a signature", () => {
  test("is required: alg none", async () => {
    for (const alg of ["none", "None", "NONE", "nOnE"]) {
      refusedFor(await asked.withToken(`${encoded({ alg })}.${encoded(rootClaims())}.`), /alg is "n/i)
    }
    const { 0: header, 1: payload } = (await signed(key)).split(".")
    refusedFor(await asked.withToken(`${header}.${payload}.`), /has no signature/)
  })

  test("is not an HMAC with the public key as its secret", async () => {
    const publicKey = await importJWK(rsa.jwk, "RS256", { extractable: true })
    const pem = await exportSPKI(publicKey as never)
    for (const text of [pem, pem.trim(), JSON.stringify(rsa.jwk), rsa.jwk.n!]) {
      const forged = await new CompactSign(Buffer.from(JSON.stringify(rootClaims())))
        .setProtectedHeader({ alg: "HS256", kid: rsa.kid })
        .sign(new TextEncoder().encode(text))
      refusedFor(await asked.withToken(forged), /alg is "HS256"/)
    }
  })

  test("is on the curve of its algorithm", async () => {
    const other = await signingKey(key.kid, "ES384")
    refusedFor(await asked.withToken(await signed(other)), /names the key "p256", and none of .* fits ES384/)
    refusedFor(await asked.withToken(await signed({ ...rsa, kid: key.kid })), /none of .* fits RS256/)
  })

  test("is written in one way: the last character has bits to spare", async () => {
    const token = await signed(key)
    const alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
    const last = alphabet.indexOf(token.at(-1)!)
    const same = token.slice(0, -1) + alphabet[last + 1]
    refusedFor(await asked.withToken(same), /not base64url/)
  })

  test("is by the key that it names", async () => {
    const stranger = await signingKey(key.kid)
    refusedFor(await asked.withToken(await signed(stranger)), /signature is not that of the key "p256"/)
  })

  test("covers every character of header and claims", async () => {
    const token = await signed(key)
    const [header, payload, signature] = token.split(".") as [string, string, string]
    const other = encoded({ ...rootClaims(), sub: "mallory" })
    refusedFor(await asked.withToken(`${header}.${other}.${signature}`), /signature/)
    refusedFor(
      await asked.withToken(`${encoded({ alg: "ES256", kid: "p256" })}.${payload}.${signature.slice(2)}AA`),
      /signature/
    )
    for (let i = 0; i < token.length; i += i < token.length - 3 ? 7 : 1) {
      if (token[i] === ".") continue
      const changed = token.slice(0, i) + (token[i] === "A" ? "B" : "A") + token.slice(i + 1)
      assert.include(JSON.stringify(await asked.withToken(changed)), "Unauthenticated", `character ${i}`)
    }
  })

  test("is not by a key that the token brings along or points to", async () => {
    const mine = await generateKeyPair("ES256", { extractable: true })
    const evil: SigningKey = {
      alg: "ES256",
      kid: "p256",
      privateKey: mine.privateKey,
      jwk: await exportJWK(mine.publicKey)
    }
    const host = await Issuer.start(evil)
    const brought = { jwk: evil.jwk, jku: host.jwksUri, x5u: host.jwksUri, x5c: ["MIIB"], x5t: "AAAA" }
    refusedFor(await asked.withToken(await signed(evil, {}, brought)), /signature/)
    refusedFor(await asked.withToken(await signed(evil, {}, { ...brought, kid: "theirs" })), /names the key "theirs"/)
    // They are not looked at: a good token may have them.
    believed(await asked.withToken(await signed(key, {}, brought)))
    assert.strictEqual(host.asked, 0)
    await host.close()
  })

  test("needs a key id where several keys fit", async () => {
    const second = await signingKey("second")
    const both = await Issuer.start(key, second)
    await using ambiguous = await opened(Effect.map(keysAt(both.jwksUri), (source) => [{ issuer: undefined, source }]))
    refusedFor(await ambiguous.withToken(await signed(key, {}, { kid: undefined })), /names no key \(kid\), and 2 of/)
    believed(await ambiguous.withToken(await signed(second)))
    await both.close()
  })
})
