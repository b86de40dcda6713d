// How a token and its header have to be written.

import { assert, describe, test } from "vitest"
import { nowSeconds, signed } from "../support/issuer.ts"
import { asked, encoded, key, open, rootClaims, signedRaw } from "./tokens.ts"
import { believed, refusedFor } from "./world.ts"

describe("the form", () => {
  test("has no critical extensions", async () => {
    const header = { crit: ["http://example.com/x"], "http://example.com/x": 1 }
    refusedFor(await asked.withToken(await signedRaw(header, rootClaims())), /crit/)
    for (const crit of [[], "exp", ["b64"]]) {
      refusedFor(
        await asked.withToken(
          `${encoded({ alg: "ES256", kid: "p256", b64: false, crit })}.${encoded(rootClaims())}.AA`
        ),
        /crit/
      )
    }
  })

  test("is not of another type", async () => {
    for (const typ of ["dpop+jwt", "logout+jwt", "JOSE", "at+jwtx", "", 7]) {
      refusedFor(await asked.withToken(await signedRaw({ typ }, rootClaims())), /typ is/)
    }
  })

  test("is not nested and not encrypted", async () => {
    const inner = await signed(key)
    refusedFor(await asked.withToken(await signedRaw({ cty: "JWT" }, Buffer.from(inner))), /nested/)
    refusedFor(await asked.withToken(await signedRaw({}, Buffer.from(inner))), /claims are no JSON object/)
    refusedFor(await asked.withToken(`${encoded({ alg: "RSA-OAEP", enc: "A256GCM" })}.AA.AA.AA.AA`), /encrypted/)
  })

  test("is JSON that can be read in one way", async () => {
    for (const text of [
      "[]",
      "null",
      '"a"',
      "7",
      `{"exp":${nowSeconds() + 60},"sub":"a","sub":"b"}`,
      `{"exp":${nowSeconds() + 60},"x":[${"1,".repeat(3_000)}1]}`,
      "\ufeff{}"
    ]) {
      refusedFor(await asked.withToken(await signedRaw({}, Buffer.from(text))), /claims are no JSON object/)
    }
    refusedFor(await asked.withToken(await signedRaw({}, Buffer.from([0x7b, 0xff, 0x7d]))), /claims are no JSON object/)
    const twice = Buffer.from('{"alg":"none","alg":"ES256"}').toString("base64url")
    refusedFor(await asked.withToken(`${twice}.${encoded(rootClaims())}.AA`), /header is no JSON object/)
  })

  test("is at most 16 KiB", async () => {
    const sized = async (bytes: number) => {
      const spare = bytes - (await signed(key, { pad: "" })).length
      return signed(key, { pad: "x".repeat(Math.floor((spare * 3) / 4)) })
    }
    believed(await asked.withToken(await sized(16 * 1024 - 4)))
    refusedFor(await asked.withToken(await sized(16 * 1024 + 8)), /more than 16384 bytes/)
  })
})

describe("the header of a request", () => {
  test("holds the word Bearer, in any case, spaces and one token", async () => {
    const token = await signed(key)
    for (const header of [`Bearer ${token}`, `bearer ${token}`, `BEARER   ${token}  `]) {
      believed(await asked.withHeader(header))
    }
    const wrong = [
      "",
      "Bearer",
      "Bearer ",
      token,
      `Basic ${token}`,
      ` Bearer ${token}`,
      `Bearer\t${token}`,
      `Bearer ${token} x`,
      `Bearer ${token}, Bearer ${token}`,
      `Bearer ${token.slice(0, 20)} ${token.slice(20)}`,
      `Bearer "${token}"`,
      `Bearer ${token}\n`,
      `Bearer: ${token}`,
      `BearerX ${token}`
    ]
    for (const header of wrong) {
      const outcome = await asked.withHeader(header)
      assert("_tag" in outcome && outcome._tag === "Unauthenticated", JSON.stringify(header))
      assert.strictEqual(outcome.error, "invalid_request")
    }
  })

  test("is required, unless callers without a token may come", async () => {
    const outcome = await asked.withHeader(undefined)
    assert("_tag" in outcome && outcome._tag === "Unauthenticated")
    assert.deepStrictEqual([outcome.message, outcome.error], ["a bearer token is required", undefined])
    await using optional = await open({ isOptional: true })
    assert.deepStrictEqual(await optional.withHeader(undefined), { claims: {} })
    for (const header of ["", "Basic YTpi", "Bearer a.b.c", `Bearer ${await signed(key, { exp: 1 })}`]) {
      assert.include(JSON.stringify(await optional.withHeader(header)), "Unauthenticated")
    }
  })
})
