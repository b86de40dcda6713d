// The contracts, run on adapters that break them: each must be rejected by the law that it breaks, and each law must
// have rejected something.

import { type Context, Effect } from "effect"
import { assert, describe, test } from "vitest"
import { MemoryStore, port } from "../../adapters/storage/memory/store.ts"
import { Authenticator } from "../../application/ports/Authenticator.ts"
import { Channel } from "../../application/ports/Channel.ts"
import { EventStore } from "../../application/ports/EventStore.ts"
import { Policy } from "../../application/ports/Policy.ts"
import { Projection } from "../../application/ports/Projection.ts"
import { laws as authenticatorLaws } from "./Authenticator.ts"
import { Tokens, tokenLaws } from "./authenticator/tokens.ts"
import { laws as channelLaws } from "./Channel.ts"
import { laws as storeLaws } from "./EventStore.ts"
import { Gateways } from "./event-store/gateways.ts"
import { reopening } from "./event-store/reopening.ts"
import { sharing } from "./event-store/sharing.ts"
import type { Law } from "./law.ts"
import { decisions } from "./mutants/decisions.ts"
import { type Mutant, rejection } from "./mutants/mutant.ts"
import { authenticators, channels, policies } from "./mutants/others.ts"
import { pages } from "./mutants/pages.ts"
import { projections } from "./mutants/projections.ts"
import { reads } from "./mutants/reads.ts"
import { reopenedMutants } from "./mutants/reopened.ts"
import { searches } from "./mutants/searches.ts"
import { shared } from "./mutants/shared.ts"
import { healthyTokens, type TokenMutant, tokenMutants } from "./mutants/tokens.ts"
import { values } from "./mutants/values.ts"
import { writes } from "./mutants/writes.ts"
import { laws as policyLaws } from "./Policy.ts"
import { laws as projectionLaws } from "./Projection.ts"

type Check = Law<never>["check"]

interface Suspect {
  readonly does: string
  readonly breaks: string
  readonly checkOf: (law: string) => Check | undefined
}

const rejects = (
  port: string,
  laws: ReadonlyArray<{ readonly name: string }>,
  suspects: ReadonlyArray<Suspect>,
  msMax = 3_000
) =>
  describe(`the contract of ${port} rejects one that`, () => {
    for (const { does, breaks, checkOf } of suspects) {
      test(does, async () => {
        const check = checkOf(breaks)
        assert.isDefined(check, `there is no law "${breaks}"`)
        const reason = await rejection(check!, msMax)
        assert.isDefined(reason, `the law "${breaks}" noticed nothing`)
        // A mutant that does not even run shows nothing about the law.
        assert.match(reason!, /AssertionError|TimeoutError|TooLarge|Unavailable|on purpose/)
      })
    }

    test("breaks any of its laws", () => {
      const broken = new Set(suspects.map(({ breaks }) => breaks))
      const unbroken = laws.map(({ name }) => name).filter((name) => !broken.has(name))
      assert.deepStrictEqual(unbroken, [])
    })
  })

/** Mutants, each of which is made anew for the law that runs on it. */
const suspectsOf = <Key, Service>(
  service: Context.Key<Key, Service>,
  laws: ReadonlyArray<Law<Key>>,
  mutants: ReadonlyArray<Mutant<Service>>
): ReadonlyArray<Suspect> =>
  mutants.map(({ does, breaks, make }) => ({
    does,
    breaks,
    checkOf: (name) => {
      const law = laws.find((one) => one.name === name)
      return law && (Effect.provideService(law.check, service, make()) as Check)
    }
  }))

const storeMutants = [...decisions, ...writes, ...reads, ...searches, ...pages, ...values]
rejects("EventStore", storeLaws, suspectsOf(EventStore, storeLaws, storeMutants))
rejects(
  "EventStore, reopened,",
  reopening(reopenedMutants[0]!.make()),
  reopenedMutants.map(({ make, ...mutant }) => ({
    ...mutant,
    checkOf: (name) => reopening(make()).find((law) => law.name === name)?.check
  }))
)
rejects(
  "Projection",
  projectionLaws,
  projections.map(({ make, ...mutant }) => ({
    ...mutant,
    checkOf: (name) => {
      const law = projectionLaws.find((one) => one.name === name)
      const { store, projection } = make()
      return law && Effect.provideService(Effect.provideService(law.check, EventStore, store), Projection, projection)
    }
  }))
)
rejects("EventStore, shared,", sharing, suspectsOf(Gateways, sharing, shared))
// What never arrives is waited for in vain.
rejects("Channel", channelLaws, suspectsOf(Channel, channelLaws, channels), 300)
rejects("Authenticator", authenticatorLaws, suspectsOf(Authenticator, authenticatorLaws, authenticators))
const tokenCheck = ({ make }: TokenMutant, name: string): Check | undefined => {
  const { authenticator, tokens } = make()
  const law = tokenLaws.find((one) => one.name === name)
  return law && Effect.provideService(Effect.provideService(law.check, Authenticator, authenticator), Tokens, tokens)
}
rejects(
  "Authenticator for tokens",
  tokenLaws,
  tokenMutants.map((mutant) => ({ ...mutant, checkOf: (name) => tokenCheck(mutant, name) }))
)
rejects("Policy", policyLaws, suspectsOf(Policy, policyLaws, policies))

describe("the authenticator that the mutants are made of", () => {
  for (const { name } of tokenLaws)
    test(`keeps the law: ${name}`, async () => {
      assert.isUndefined(await rejection(tokenCheck(healthyTokens, name)!, 3_000))
    })
})

describe("the store that the mutants are made of", () => {
  for (const { name, check } of storeLaws)
    test(`keeps the law: ${name}`, async () => {
      const service = port(new MemoryStore())
      assert.isUndefined(await rejection(Effect.provideService(check, EventStore, service), 60_000))
    })
  for (const { name, check } of sharing)
    test(`keeps the law: ${name}`, async () => {
      const store = new MemoryStore()
      const gateways = [port(store), port(store)] as const
      assert.isUndefined(await rejection(Effect.provideService(check, Gateways, gateways), 60_000))
    })
})
