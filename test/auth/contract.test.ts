import { Effect, Layer } from "effect"
import { layer as jwt } from "../../adapters/auth/jwt/layer.ts"
import type { Authenticator } from "../../application/ports/Authenticator.ts"
import { contract } from "../contract/Authenticator.ts"
import { Tokens, tokenContract } from "../contract/authenticator/tokens.ts"
import { Issuer, signed, signingKey } from "../support/issuer.ts"
import { temporaryFolder } from "../support/process.ts"

const key = await signingKey("first")
const stranger = await signingKey("first")

const started = Effect.acquireRelease(
  Effect.promise(() => Issuer.start(key)),
  (issuer) => Effect.promise(() => issuer.close())
)
const folder = Effect.acquireRelease(
  Effect.sync(() => temporaryFolder()),
  ({ remove }) => Effect.sync(remove)
)

/** Keys from a server, from a file, or from an issuer that is discovered: each with tokens that name the issuer. */
const layers: Readonly<Record<string, Layer.Layer<Authenticator | Tokens, Error>>> = {
  address: Layer.unwrap(Effect.map(started, ({ jwksUri, url }) => over(jwt({ keys: { uri: jwksUri } }), url))),
  file: Layer.unwrap(
    Effect.map(folder, ({ write }) =>
      over(jwt({ keys: { file: write("jwks.json", JSON.stringify({ keys: [key.jwk] })) } }))
    )
  ),
  issuer: Layer.unwrap(Effect.map(started, ({ url }) => over(jwt({ keys: { issuers: [url] }, issuers: [url] }), url)))
}

function over(authenticator: Layer.Layer<Authenticator, Error>, iss?: string) {
  const by = (signer: typeof key) => (claims: object) =>
    signed(signer, { ...claims, ...(iss === undefined ? {} : { iss }) })
  return Layer.merge(authenticator, Layer.succeed(Tokens, Tokens.of({ good: by(key), forged: by(stranger) })))
}

for (const [name, layer] of Object.entries(layers)) {
  contract(`jwt, ${name}`, layer)
  tokenContract(`jwt, ${name}`, layer)
}
