import { Clock, Effect, Layer, type Scope } from "effect"
import { compactVerify } from "jose"
import { PermissionDenied, type Unauthenticated, Unavailable } from "../../../application/failure.ts"
import { tokenLeewayMs } from "../../../application/limits.ts"
import { monotonicMillis } from "../../../application/monotonic.ts"
import { Authenticator, type KeysStatus, type Principal } from "../../../application/ports/Authenticator.ts"
import { Telemetry } from "../../../application/telemetry.ts"
import { type JsonObject, memoryBytes } from "../../../domain/json.ts"
import { bearerToken } from "../bearer.ts"
import { malformed, noToken, quoted, refused } from "../refusal.ts"
import { digestOf, TokenCache } from "../token-cache.ts"
import { checkClaims } from "./claims.ts"
import type { VerificationKey } from "./key-set.ts"
import type { KeySource } from "./key-source.ts"
import { readToken, type UnverifiedToken } from "./token.ts"

/** What tokens have to be like. */
export interface Rules {
  /** Issuers whose tokens are taken, where the keys themselves do not say so; undefined: any that the keys verify. */
  readonly issuers?: ReadonlyArray<string> | undefined
  /** Undefined: for any audience. */
  readonly audiences?: ReadonlyArray<string> | undefined
  readonly scopes?: ReadonlyArray<string> | undefined
  /** Milliseconds by which clocks may differ. */
  readonly leewayMs?: number | undefined
  /** Callers without a token have no claims, instead of being refused. */
  readonly isOptional?: boolean | undefined
  /** The claims that go into events; undefined: all. */
  readonly eventClaims?: ReadonlyArray<string> | undefined
}

/** Keys, and the issuer whose they are; undefined: those of any token. */
export interface IssuerKeys {
  readonly issuer: string | undefined
  readonly source: KeySource
}

interface Known {
  readonly principal: Principal
  readonly key: VerificationKey
  readonly source: KeySource
  readonly untilMs: number
  readonly bytes: number
}

type Refusal = Unauthenticated | PermissionDenied | Unavailable

/** Takes signed JWTs of the issuers whose keys these are. */
export const layer = <E>(
  keys: Effect.Effect<ReadonlyArray<IssuerKeys>, E, Scope.Scope>,
  rules: Rules = {}
): Layer.Layer<Authenticator, E> =>
  Layer.effect(
    Authenticator,
    Effect.flatMap(keys, (found) => authenticator(found, rules))
  )

const anonymous: Principal = { claims: {} }
const noKeys = new Unavailable({ message: "tokens cannot be verified now; try again later" })
const entryBytes = 600

const authenticator = Effect.fnUntraced(function* (issuers: ReadonlyArray<IssuerKeys>, rules: Rules) {
  const clock = yield* Clock.Clock
  const { registerGauge } = yield* Telemetry
  const cache = new TokenCache<Known>()
  const expected = {
    issuers: rules.issuers,
    audiences: rules.audiences,
    scopes: rules.scopes ?? [],
    leewayMs: rules.leewayMs ?? tokenLeewayMs
  }
  const nowMs = () => clock.currentTimeMillisUnsafe()
  const monotonicMs = () => monotonicMillis(clock)
  registerGauge("tokens", () => cache.size)
  registerGauge("keys", () => issuers.reduce((sum, { source }) => sum + source.ring.size, 0))
  registerGauge("keysAgeSeconds", () =>
    Math.max(...issuers.map(({ source }) => source.ring.ageMs(monotonicMs()) / 1000))
  )

  const sourceOf = ({ claims: { iss } }: UnverifiedToken): KeySource | undefined =>
    issuers.find(({ issuer }) => issuer === undefined || issuer === iss)?.source

  /** The keys that may have signed the token; those of the issuer are read again if none has its name. */
  const candidatesFor = Effect.fnUntraced(function* (
    { kid, algorithm }: UnverifiedToken,
    { ring, refresh }: KeySource
  ) {
    // The second read is for a key that is newer than one that was under way.
    for (let reads = 0; reads < 2 && !ring.has(kid); reads++) if (!(yield* refresh)) break
    return ring.candidates(kid, algorithm)
  })

  const verify = Effect.fnUntraced(function* (token: string, digest: string): Effect.fn.Return<Principal, Refusal> {
    const read = readToken(token)
    if ("fault" in read) return yield* refused(read.fault)
    const source = sourceOf(read)
    if (source === undefined) return yield* refused(`its iss is ${quoted(read.claims["iss"])}, which has no keys here`)
    const candidates = yield* candidatesFor(read, source)
    if (!source.ring.isUsable(monotonicMs())) return yield* noKeys
    const [key] = candidates
    const named = read.kid === undefined ? "no key (kid)" : `the key ${quoted(read.kid)}`
    if (key === undefined) return yield* refused(`it names ${named}, and none of ${source.name} fits ${read.algorithm}`)
    if (candidates.length > 1) {
      return yield* refused(`it names ${named}, and ${candidates.length} of ${source.name} fit ${read.algorithm}`)
    }
    if (!(yield* isSigned(token, read, key))) return yield* refused(`its signature is not that of ${named}`)
    const checked = checkClaims(read.claims, expected, nowMs())
    if ("fault" in checked) return yield* refused(checked.fault)
    if ("missingScopes" in checked) return yield* lacking(expected.scopes, checked.missingScopes)
    const eventClaims = rules.eventClaims && only(read.claims, rules.eventClaims)
    const principal: Principal = {
      claims: read.claims,
      ...(eventClaims === undefined ? {} : { eventClaims }),
      expiresMs: checked.expiresMs
    }
    const untilMs = checked.expiresMs + expected.leewayMs
    const bytes = entryBytes + memoryBytes(read.claims) + (eventClaims === undefined ? 0 : memoryBytes(eventClaims))
    cache.set(digest, { principal, key, source, untilMs, bytes })
    return principal
  })

  const authenticate = (authorization: string | undefined): Effect.Effect<Principal, Refusal> => {
    if (authorization === undefined) return rules.isOptional ? Effect.succeed(anonymous) : Effect.fail(noToken)
    const token = bearerToken(authorization)
    if (token === undefined) return Effect.fail(malformed)
    const digest = digestOf(token)
    const known = cache.get(digest, nowMs())
    if (known?.source.ring.isUsable(monotonicMs())) return Effect.succeed(known.principal)
    // Reading keys may take a while, and a caller that has gone waits no longer.
    return Effect.interruptible(verify(token, digest))
  }

  const keys = Effect.sync((): KeysStatus => {
    const all = issuers.map(({ source }) => source.ring.status(monotonicMs()))
    if (all.every((status) => status === "unavailable")) return "unavailable"
    return all.every((status) => status === "ok") ? "ok" : "stale"
  })
  return Authenticator.of({ authenticate, keys })
})

const isSigned = (token: string, { algorithm }: UnverifiedToken, key: VerificationKey): Effect.Effect<boolean> =>
  Effect.promise(async () => {
    const imported = await key.imported(algorithm)
    return compactVerify(token, imported, { algorithms: [algorithm] }).then(
      () => true,
      () => false
    )
  })

const lacking = (scopes: ReadonlyArray<string>, missing: ReadonlyArray<string>): PermissionDenied =>
  new PermissionDenied({
    message: "the token has not all of the scopes that it needs",
    scope: scopes.join(" "),
    reason: `its scopes lack ${missing.join(" ")}`
  })

const only = (claims: JsonObject, names: ReadonlyArray<string>): JsonObject =>
  Object.fromEntries(names.flatMap((name) => (Object.hasOwn(claims, name) ? [[name, claims[name]!]] : [])))
