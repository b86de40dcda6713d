import { Effect, type Layer, type Scope } from "effect"
import type { Authenticator } from "../../../application/ports/Authenticator.ts"
import { type IssuerKeys, type Rules, layer as verifying } from "./authenticator.ts"
import { keysInFile } from "./file-keys.ts"
import { keysAt, keysOfIssuer } from "./remote-keys.ts"

/** Where the keys come from: an address, a file, or issuers that are discovered. */
export type KeysFrom =
  | { readonly uri: string }
  | { readonly file: string }
  | { readonly issuers: ReadonlyArray<string> }

/** Where the keys come from, for how long they serve, and what tokens have to be like. */
export interface JwtOptions extends Rules {
  readonly keys: KeysFrom
  /** Milliseconds for which the last good keys serve while no others can be had. */
  readonly keyAgeMsMax?: number
}

/** Believes signed JWTs. A file of keys has to be there at start; for issuers that cannot be reached it tries again. */
export const layer = ({ keys, keyAgeMsMax, ...rules }: JwtOptions): Layer.Layer<Authenticator, Error> =>
  verifying(sourcesOf(keys, keyAgeMsMax === undefined ? {} : { ageMsMax: keyAgeMsMax }), rules)

const sourcesOf = (
  from: KeysFrom,
  times: { readonly ageMsMax?: number }
): Effect.Effect<ReadonlyArray<IssuerKeys>, Error, Scope.Scope> => {
  if ("uri" in from) return Effect.map(keysAt(from.uri, times), (source) => [{ issuer: undefined, source }])
  if ("file" in from) {
    return keysInFile(from.file).pipe(
      Effect.map((source) => [{ issuer: undefined, source }]),
      Effect.mapError(({ message, cause }) => new Error(`STATEGATE_JWKS_FILE: ${message}`, { cause }))
    )
  }
  return Effect.forEach(
    from.issuers,
    (issuer) => Effect.map(keysOfIssuer(issuer, times), (source) => ({ issuer, source })),
    { concurrency: "unbounded" }
  )
}
