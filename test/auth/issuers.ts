// Issuers with real servers, and authenticators over their keys; short times, and all of it gone after each test.

import { Effect } from "effect"
import { afterEach } from "vitest"
import type { Rules } from "../../adapters/auth/jwt/authenticator.ts"
import { keysAt, keysOfIssuer, type RemoteTimes } from "../../adapters/auth/jwt/remote-keys.ts"
import { Issuer, type SigningKey } from "../support/issuer.ts"
import { type Asked, opened } from "./world.ts"

/** Nothing is read again by itself, and a key id that is not known is asked for each time, unless a test says more. */
const slow = { refreshMsMin: 1, refreshMsMax: 3_600_000, cooldownMs: 0, retryMs: 5, retryMsMax: 20, msMax: 2_000 }

const closing: Array<() => Promise<unknown>> = []
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close()
})

/** An issuer that serves these keys. */
export const started = async (...keys: ReadonlyArray<SigningKey>): Promise<Issuer> => {
  const issuer = await Issuer.start(...keys)
  closing.push(() => issuer.close())
  return issuer
}

const kept = async (asked: Promise<Asked>): Promise<Asked> => {
  const one = await asked
  closing.push(() => one[Symbol.asyncDispose]())
  return one
}

/** An authenticator over the keys of an issuer. */
export const reading = (issuer: Issuer, times: RemoteTimes = {}, rules: Rules = {}): Promise<Asked> =>
  kept(
    opened(
      Effect.map(keysAt(issuer.jwksUri, { ...slow, ...times }), (source) => [{ issuer: undefined, source }]),
      rules
    )
  )

/** One over the keys of issuers that it discovers. */
export const discovered = (...urls: ReadonlyArray<string>): Promise<Asked> => {
  const sources = Effect.forEach(urls, (issuer) =>
    Effect.map(keysOfIssuer(issuer, slow), (source) => ({ issuer, source }))
  )
  return kept(opened(sources, { issuers: urls }))
}

/** Waits for something that happens in the background; the time limit of the test ends it. */
export const until = async (holds: () => boolean | Promise<boolean>): Promise<void> => {
  while (!(await holds())) await new Promise((resolve) => setTimeout(resolve, 2))
}

/** Whether there were no keys to verify a token with. */
export const isUnavailable = (outcome: object): boolean => "_tag" in outcome && outcome._tag === "Unavailable"
