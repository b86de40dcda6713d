// Authenticators that believe tokens of an issuer, and are broken on purpose.

import { Effect } from "effect"
import { Unauthenticated } from "../../../application/failure.ts"
import type { Authenticator, Principal } from "../../../application/ports/Authenticator.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { Tokens, tokenLaws } from "../authenticator/tokens.ts"

const [own, alone, one, expiry, silent, status] = tokenLaws.map(({ name }) => name) as [
  string,
  string,
  string,
  string,
  string,
  string
]

/** An issuer whose tokens are names that it knows. */
export const issuer = () => {
  const known = new Map<string, JsonObject>()
  const named = () => `${crypto.randomUUID()}.${crypto.randomUUID()}`
  const tokens = Tokens.of({
    good: async (claims) => {
      const token = named()
      known.set(token, claims)
      return token
    },
    forged: async () => named()
  })
  return { known, tokens }
}

const bad = (reason: string) => new Unauthenticated({ message: "a bad token", error: "invalid_token", reason })
const none = new Unauthenticated({ message: "a token is required" })
const malformed = new Unauthenticated({ message: "one token is required", error: "invalid_request" })

type Found = Principal | Unauthenticated

/** The steps of an authenticator that keeps all laws; a mutant does one of them in another way. */
const steps = (known: ReadonlyMap<string, JsonObject>) => ({
  tokenOf: (text: string): string | undefined => /^bearer +([\w.-]+)$/i.exec(text)?.[1],
  find: (token: string): JsonObject | undefined => known.get(token),
  isOver: (claims: JsonObject): boolean => Number(claims["exp"]) * 1000 < Date.now(),
  principal: (claims: JsonObject): Principal => ({ claims, expiresMs: Number(claims["exp"]) * 1000 }),
  nothing: (): Found => none,
  forged: (): Found => bad("nobody made it"),
  expired: (): Found => bad("it expired"),
  malformed: (): Found => malformed,
  keys: (): "ok" | "unavailable" => "ok"
})

type Steps = ReturnType<typeof steps>

/** An authenticator of these steps. */
const of = (does: Steps): Authenticator["Service"] => ({
  authenticate: (text) => {
    const found = ((): Found => {
      if (text === undefined) return does.nothing()
      const token = does.tokenOf(text)
      if (token === undefined) return does.malformed()
      const claims = does.find(token)
      if (claims === undefined) return does.forged()
      return does.isOver(claims) ? does.expired() : does.principal(claims)
    })()
    return found instanceof Unauthenticated ? Effect.fail(found) : Effect.succeed(found)
  },
  keys: Effect.sync(does.keys)
})

export interface TokenMutant {
  readonly does: string
  readonly breaks: string
  readonly make: () => { readonly authenticator: Authenticator["Service"]; readonly tokens: Tokens["Service"] }
}

const mutant = (does: string, breaks: string, change: (healthy: Steps) => Partial<Steps>): TokenMutant => ({
  does,
  breaks,
  make: () => {
    const { known, tokens } = issuer()
    const healthy = steps(known)
    return { authenticator: of({ ...healthy, ...change(healthy) }), tokens }
  }
})

const anonymous: Principal = { claims: {} }

/** Keeps every law. */
export const healthyTokens: TokenMutant = mutant("does all of it well", "", () => ({}))

export const tokenMutants: ReadonlyArray<TokenMutant> = [
  mutant("drops a claim", own, ({ principal }) => ({
    principal: ({ tenant: _, ...claims }) => principal(claims)
  })),
  mutant("wants the scheme in one case", own, () => ({ tokenOf: (text) => /^Bearer +([\w.-]+)$/.exec(text)?.[1] })),
  mutant("answers with the caller before", own, ({ principal }) => {
    let before: Principal | undefined
    return {
      principal: (claims) => {
        const now = principal(claims)
        const answer = before ?? now
        before = now
        return answer
      }
    }
  }),
  mutant("believes whatever it is shown", alone, () => ({ forged: () => anonymous })),
  mutant("believes expired tokens", alone, () => ({ isOver: () => false })),
  mutant("believes expired tokens the second time", alone, ({ isOver }) => {
    const seen = new Set<JsonObject>()
    return { isOver: (claims) => !seen.has(claims) && isOver(claims) && seen.add(claims) !== undefined }
  }),
  mutant("remembers tokens by their beginning", alone, ({ find }) => {
    const seen = new Map<string, JsonObject>()
    return {
      find: (token) => {
        const claims = find(token) ?? seen.get(token.slice(0, 20))
        if (claims !== undefined) seen.set(token.slice(0, 20), claims)
        return claims
      }
    }
  }),
  mutant("refuses a good token after a bad one", alone, ({ find, forged }) => {
    let isAngry = false
    return {
      find: (token) => (isAngry ? undefined : find(token)),
      forged: () => {
        isAngry = true
        return forged()
      }
    }
  }),
  mutant("lets in callers without a token", one, () => ({ nothing: () => anonymous })),
  mutant("takes the first of two tokens", one, () => ({ tokenOf: (text) => /^bearer +([\w.-]+)/i.exec(text)?.[1] })),
  mutant("takes the last of two tokens", one, () => ({ tokenOf: (text) => /bearer +([\w.-]+)$/i.exec(text)?.[1] })),
  mutant("takes a token without a scheme", one, () => ({ tokenOf: (text) => /([\w.-]+)$/.exec(text)?.[1] })),
  mutant("takes what is malformed for nothing", one, () => ({ malformed: () => none })),
  mutant("tells no expiry", expiry, () => ({ principal: (claims) => ({ claims }) })),
  mutant("tells the expiry in seconds", expiry, () => ({
    principal: (claims) => ({ claims, expiresMs: Number(claims["exp"]) })
  })),
  mutant("tells callers what is wrong", silent, () => ({
    expired: () => new Unauthenticated({ message: "the token has expired", error: "invalid_token", reason: "expired" })
  })),
  mutant("tells nobody what is wrong", silent, () => ({
    forged: () => new Unauthenticated({ message: "a bad token", error: "invalid_token" })
  })),
  mutant("gives one reason for everything", silent, ({ forged }) => ({ expired: forged })),
  mutant("says that it has no keys", status, () => ({ keys: () => "unavailable" }))
]
