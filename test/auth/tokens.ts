// A gateway's authenticator and an issuer with two keys, for all tests of a file; and tokens that no honest library signs.

import { Effect } from "effect"
import { CompactSign } from "jose"
import { afterAll, beforeAll } from "vitest"
import type { Rules } from "../../adapters/auth/jwt/authenticator.ts"
import { keysAt } from "../../adapters/auth/jwt/remote-keys.ts"
import { Issuer, nowSeconds, signingKey } from "../support/issuer.ts"
import { type Asked, opened } from "./world.ts"

export const key = await signingKey("p256")
export const rsa = await signingKey("rsa", "RS256")

let issuer: Issuer
export let asked: Asked

/** Another authenticator over the same keys. */
export const open = (rules: Rules = {}): Promise<Asked> =>
  opened(
    Effect.map(keysAt(issuer.jwksUri), (source) => [{ issuer: undefined, source }]),
    rules
  )

beforeAll(async () => {
  issuer = await Issuer.start(key, rsa)
  asked = await open()
})
afterAll(async () => {
  await asked[Symbol.asyncDispose]()
  await issuer.close()
})

export const encoded = (value: unknown): string => Buffer.from(JSON.stringify(value)).toString("base64url")
export const rootClaims = () => ({ sub: "root", exp: nowSeconds() + 3600 })

/** Signs any header and any payload. */
export const signedRaw = (header: Record<string, unknown>, payload: unknown): Promise<string> => {
  const bytes = payload instanceof Uint8Array ? payload : Buffer.from(JSON.stringify(payload))
  return new CompactSign(bytes)
    .setProtectedHeader({ alg: key.alg, kid: key.kid, ...header })
    .sign(key.privateKey, { crit: { "http://example.com/x": true } })
}
