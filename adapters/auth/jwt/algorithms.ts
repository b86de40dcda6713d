/**
 * The signatures that are believed: asymmetric ones alone, so that nothing the gateway holds can make a token. "Ed25519"
 * is what RFC 9864 calls the only curve of "EdDSA" that is supported.
 */
export const algorithms = [
  "RS256",
  "RS384",
  "RS512",
  "PS256",
  "PS384",
  "PS512",
  "ES256",
  "ES384",
  "ES512",
  "EdDSA",
  "Ed25519"
] as const

export type Algorithm = (typeof algorithms)[number]

export const isAlgorithm = (name: unknown): name is Algorithm => algorithms.some((known) => known === name)

const rsa: ReadonlyArray<Algorithm> = ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512"]
const edwards: ReadonlyArray<Algorithm> = ["EdDSA", "Ed25519"]

/** The algorithms that a key of this type and curve can verify. */
export const algorithmsOf = (kty: unknown, crv: unknown): ReadonlyArray<Algorithm> => {
  if (kty === "RSA") return rsa
  if (kty === "OKP") return crv === "Ed25519" ? edwards : []
  if (kty !== "EC") return []
  return crv === "P-256" ? ["ES256"] : crv === "P-384" ? ["ES384"] : crv === "P-521" ? ["ES512"] : []
}
