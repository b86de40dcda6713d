import { type CryptoKey, importJWK } from "jose"
import { keysMax, rsaBitsMax, rsaBitsMin } from "../../../application/limits.ts"
import type { Json, JsonObject } from "../../../domain/json.ts"
import { readJson } from "../../../domain/json-read.ts"
import { type Algorithm, algorithmsOf } from "./algorithms.ts"

/** A public key of an issuer. */
export interface VerificationKey {
  /** The same text for the same key under the same name, however often its set is fetched. */
  readonly identity: string
  readonly kid: string | undefined
  readonly algorithms: ReadonlyArray<Algorithm>
  readonly imported: (algorithm: Algorithm) => Promise<CryptoKey>
  /** The issuer does not publish it any more: what it signed counts no longer. */
  isRevoked: boolean
}

/** The keys of a JWKS document that can be used, and why others cannot. */
export interface KeySet {
  readonly keys: ReadonlyArray<VerificationKey>
  readonly leftOut: ReadonlyArray<string>
}

const valuesMax = 64 * keysMax

/** Reads a JWKS document (RFC 7517); rejects with an `Error` that says what is wrong with it. */
export const readKeySet = async (text: string): Promise<KeySet> => {
  const read = readJson(text, valuesMax)
  if (!read.ok) throw new Error(`the key set ${[read.path, read.rule].filter((part) => part !== "").join(" ")}`)
  const list = isObject(read.value) ? read.value["keys"] : undefined
  if (!Array.isArray(list)) throw new Error('the key set must be a JSON object with a list of "keys"')
  if (list.length > keysMax) throw new Error(`the key set has ${list.length} keys; at most ${keysMax} are taken`)
  const keys: Array<VerificationKey> = []
  const leftOut: Array<string> = []
  for (const [i, jwk] of (list as ReadonlyArray<Json>).entries()) {
    const key = await keyOf(jwk)
    if (typeof key === "string") leftOut.push(`keys[${i}] ${key}`)
    else if (keys.every(({ identity }) => identity !== key.identity)) keys.push(key)
  }
  if (keys.length === 0) {
    throw new Error(`the key set has no key that can verify tokens${leftOut.map((why) => `; ${why}`).join("")}`)
  }
  return { keys, leftOut }
}

const isObject = (value: Json): value is JsonObject =>
  typeof value === "object" && value !== null && !Array.isArray(value)

/** The members that make a key, by its type: whatever else a document says of it is not looked at. */
const publicMembers: Readonly<Record<string, ReadonlyArray<string>>> = {
  RSA: ["n", "e"],
  EC: ["crv", "x", "y"],
  OKP: ["crv", "x"]
}

const keyOf = async (jwk: Json): Promise<VerificationKey | string> => {
  if (!isObject(jwk)) return "is not an object"
  const { kty, crv, alg, use, key_ops: operations, kid } = jwk
  const members = typeof kty === "string" && Object.hasOwn(publicMembers, kty) ? publicMembers[kty] : undefined
  if (members === undefined) return "is of no asymmetric type: RSA, EC or OKP"
  if (use !== undefined && use !== "sig") return "is not for signatures"
  if (operations !== undefined && !(Array.isArray(operations) && operations.includes("verify"))) {
    return "is not for verifying"
  }
  if (kid !== undefined && (typeof kid !== "string" || kid.length > kidCharsMax)) return "has no usable kid"
  const fitting = algorithmsOf(kty, crv).filter((name) => alg === undefined || alg === name || isEdwards(alg, name))
  const [first] = fitting
  if (first === undefined) return "is for no algorithm that is believed"
  const values = members.map((name) => jwk[name])
  if (!values.every((value) => typeof value === "string")) return `must have ${members.join(", ")}`
  if (kty === "RSA" && !isFitModulus(jwk["n"] as string)) return `must have ${rsaBitsMin} to ${rsaBitsMax} bits`
  if (kty !== "RSA" && !values.slice(1).every((value) => isCoordinate(value as string, crv))) return "is malformed"
  const material = { kty: kty as string, ...Object.fromEntries(members.map((name) => [name, jwk[name] as string])) }
  const imported = importing(material)
  try {
    await imported(first)
  } catch {
    return "is malformed"
  }
  const identity = JSON.stringify([kid ?? null, fitting, material])
  return { identity, kid, algorithms: fitting, imported, isRevoked: false }
}

const kidCharsMax = 1_000

/** RFC 7518, 6.2.1.2: a coordinate has as many bytes as its curve. Not every platform says so when it imports a key. */
const isCoordinate = (value: string, crv: Json | undefined): boolean =>
  Buffer.from(value, "base64url").length === (crv === "P-384" ? 48 : crv === "P-521" ? 66 : 32)

/** Two names of the same algorithm. */
const isEdwards = (a: Json, b: Algorithm): boolean =>
  (a === "EdDSA" || a === "Ed25519") && (b === "EdDSA" || b === "Ed25519")

const isFitModulus = (n: string): boolean => {
  const bits = Math.floor((n.replace(/=+$/, "").length * 6) / 8) * 8
  return bits >= rsaBitsMin && bits <= rsaBitsMax
}

/** A key of the platform is for one algorithm, so each is made when a token first asks for it. */
const importing = (material: { readonly kty: string }) => {
  const known = new Map<Algorithm, Promise<CryptoKey>>()
  return (algorithm: Algorithm): Promise<CryptoKey> => {
    const found = known.get(algorithm)
    if (found !== undefined) return found
    const made = importJWK({ ...material }, algorithm) as Promise<CryptoKey>
    known.set(algorithm, made)
    return made
  }
}
