// Keys and tokens of one's own, for the first hour: with an issuer of tokens, nobody needs them.

import { mkdirSync, readFileSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { calculateJwkThumbprint, exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from "jose"
import type { Json } from "../../domain/json.ts"

const algorithm = "ES256"
const privateFile = "private.json"
const publicFile = "jwks.json"

export interface GenerateKeys {
  readonly name: "keys"
  /** Where the files go. */
  readonly folder: string
  /** Keys that are there already are no mistake, and stay. */
  readonly keep: boolean
}

export interface MakeToken {
  readonly name: "token"
  readonly folder: string
  readonly claims: Readonly<Record<string, Json>>
  readonly ttlMs: number
}

/** Makes a key pair: a private key that only its owner can read, and the key set for STATEGATE_JWKS_FILE. */
export const generateKeys = async ({ folder, keep }: GenerateKeys): Promise<string> => {
  const [secret, keySet] = [join(folder, privateFile), join(folder, publicFile)]
  const { privateKey, publicKey } = await generateKeyPair(algorithm, { extractable: true })
  const shown = await exportJWK(publicKey)
  const about = { kid: await calculateJwkThumbprint(shown), alg: algorithm, use: "sig" }
  mkdirSync(folder, { recursive: true })
  try {
    writeFileSync(secret, lines({ ...(await exportJWK(privateKey)), ...about }), { mode: 0o600, flag: "wx" })
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error
    if (keep) return `${secret} and ${keySet} are there already`
    throw new Error(
      `${secret} is there already; its tokens would not be good any more. Remove it, or name another --folder`
    )
  }
  writeFileSync(keySet, lines({ keys: [{ ...shown, ...about }] }))
  return `${secret} signs tokens; keep it secret. STATEGATE_JWKS_FILE=${keySet} verifies them`
}

const lines = (value: unknown): string => `${JSON.stringify(value, undefined, 2)}\n`

/** Signs a token with the private key in the folder. */
export const makeToken = async ({ folder, claims, ttlMs }: MakeToken, nowMs = Date.now()): Promise<string> => {
  const jwk = privateKeyIn(join(folder, privateFile))
  const issuedAt = Math.floor(nowMs / 1000)
  return new SignJWT({ ...claims, iat: issuedAt, exp: issuedAt + Math.ceil(ttlMs / 1000) })
    .setProtectedHeader({ alg: algorithm, typ: "at+jwt", ...(jwk.kid === undefined ? {} : { kid: jwk.kid }) })
    .sign(await importJWK(jwk, algorithm))
}

const privateKeyIn = (path: string): JWK => {
  try {
    return JSON.parse(readFileSync(path, "utf8")) as JWK
  } catch {
    throw new Error(`${path} holds no private key; "keys generate" makes one`)
  }
}
