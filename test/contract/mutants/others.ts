// Channels, authenticators and policies that are broken on purpose.

import { Effect } from "effect"
import { Unauthenticated, Unavailable } from "../../../application/failure.ts"
import type { Authenticator } from "../../../application/ports/Authenticator.ts"
import type { Announcement, Channel } from "../../../application/ports/Channel.ts"
import type { Policy } from "../../../application/ports/Policy.ts"
import type { JsonObject } from "../../../domain/json.ts"
import type { Mutant } from "./mutant.ts"

type Announcements = ReadonlyArray<Announcement>
type Deliver = (announcements: Announcements) => void

/** A channel that publishes and subscribes in ways of its own. */
const channel = (
  does: string,
  breaks: string,
  ways: {
    readonly publish?: (
      subscribers: ReadonlyArray<Deliver>,
      announcements: Announcements
    ) => Effect.Effect<void, Unavailable>
    readonly join?: (subscribers: Array<Deliver>, deliver: Deliver) => void
    readonly leave?: (subscribers: Array<Deliver>, deliver: Deliver) => void
  }
): Mutant<Channel["Service"]> => ({
  does,
  breaks,
  make: () => {
    const subscribers: Array<Deliver> = []
    const toAll = (all: ReadonlyArray<Deliver>, announcements: Announcements) =>
      Effect.sync(() => {
        for (const deliver of all) deliver(announcements)
      })
    const join = ways.join ?? ((all, deliver) => void all.push(deliver))
    const leave = ways.leave ?? ((all, deliver) => void all.splice(all.indexOf(deliver), 1))
    return {
      publish: (announcements) => (ways.publish ?? toAll)(subscribers, announcements),
      subscribe: (deliver) =>
        Effect.acquireRelease(
          Effect.sync(() => join(subscribers, deliver)),
          () => Effect.sync(() => leave(subscribers, deliver))
        )
    }
  }
})

const everyone = "what is published reaches every subscriber, the publisher's own included, and nothing is invented"
const exact = "an event survives the journey to the last bit"
const closed = "nothing is delivered after the scope has closed, and others stay subscribed"

/** A channel that delivers something else than was published. */
const delivers = (does: string, breaks: string, change: (announcements: Announcements) => Announcements) =>
  channel(does, breaks, {
    publish: (subscribers, announcements) =>
      Effect.sync(() => {
        for (const deliver of subscribers) deliver(change(announcements))
      })
  })

export const channels: ReadonlyArray<Mutant<Channel["Service"]>> = [
  delivers("drops the publisher's own", everyone, () => []),
  delivers("drops all but the first of a batch", everyone, (announcements) => announcements.slice(0, 1)),
  delivers("invents an event", everyone, (announcements) =>
    announcements.flatMap((one) => [one, { ...one, event: { ...one.event, id: crypto.randomUUID() } }])
  ),
  channel("delivers to one subscriber alone", everyone, {
    publish: (subscribers, announcements) => Effect.sync(() => subscribers[0]?.(announcements))
  }),
  delivers("reorders a batch", "announcements of a domain come in order", (announcements) =>
    announcements.toReversed()
  ),
  delivers("sends times as doubles", exact, (announcements) =>
    announcements.map((one) => ({ ...one, event: { ...one.event, time: BigInt(Number(one.event.time)) } }))
  ),
  delivers("drops idempotency", exact, (announcements) =>
    announcements.map(({ event: { idempotency: _, ...event }, ...one }) => ({ ...one, event }))
  ),
  delivers("sends one incarnation for all", exact, (announcements) =>
    announcements.map((one) => ({ ...one, incarnation: "0123456789abcdef" }))
  ),
  delivers("drops large events", exact, (announcements) =>
    announcements.filter(({ event }) => JSON.stringify(event.entity.values).length < 100_000)
  ),
  channel("subscribes a little later", "a subscription is in place when it succeeds", {
    join: (subscribers, deliver) => void setTimeout(() => subscribers.push(deliver), 5)
  }),
  channel("never lets a subscriber go", closed, { leave: () => {} }),
  channel("lets all subscribers go with the first", closed, { leave: (subscribers) => void subscribers.splice(0) }),
  channel("takes two subscriptions of one function for one", closed, {
    join: (subscribers, deliver) => void (subscribers.includes(deliver) || subscribers.push(deliver))
  }),
  channel(
    "fails when nobody listens",
    "publishing succeeds when nobody listens, and when there is nothing to publish",
    {
      publish: (subscribers) =>
        subscribers.length > 0 ? Effect.void : Effect.fail(new Unavailable({ message: "nobody" }))
    }
  )
]

const token = "any token is accepted with claims that are plain JSON, or refused in words"

const authenticator = (
  does: string,
  breaks: string,
  authenticate: Authenticator["Service"]["authenticate"]
): Mutant<Authenticator["Service"]> => ({
  does,
  breaks,
  make: () => ({ authenticate, keys: Effect.succeed(undefined) })
})

let lastToken: string | undefined
let lastMethod = ""

export const authenticators: ReadonlyArray<Mutant<Authenticator["Service"]>> = [
  authenticator("dies of an empty token", token, (given) =>
    given === "" ? Effect.die(new Error("on purpose")) : Effect.succeed({ claims: {} })
  ),
  authenticator("repeats the token when it refuses it", token, (given) =>
    Effect.fail(new Unauthenticated({ message: `not a token: ${given}` }))
  ),
  authenticator("refuses without a word", token, () => Effect.fail(new Unauthenticated({ message: "" }))),
  authenticator("gives claims that are a list", token, () => Effect.succeed({ claims: [] as unknown as JsonObject })),
  authenticator("gives claims that are no JSON", token, () =>
    Effect.succeed({ claims: { exp: new Date(0) } as unknown as JsonObject })
  ),
  authenticator("gives claims that no store keeps", token, () => Effect.succeed({ claims: { sub: "\u0000" } })),
  authenticator(
    "mixes callers that come at once",
    "a token means the same each time, however many are looked at at once",
    (given) =>
      Effect.gen(function* () {
        lastToken = given
        yield* Effect.yieldNow
        return { claims: { length: lastToken?.length ?? -1 } }
      })
  )
]

const answer = "a policy answers yes or no, or that it is not available, and throws at nothing"

const policy = (
  does: string,
  breaks: string,
  judge: Policy["Service"]["allowsRequest"]
): Mutant<Policy["Service"]> => ({
  does,
  breaks,
  make: () => ({ allowsRequest: judge, allowsResponse: judge })
})

export const policies: ReadonlyArray<Mutant<Policy["Service"]>> = [
  policy("answers nothing", answer, () => Effect.succeed(undefined as unknown as boolean)),
  policy("dies of a body that is no object", answer, ({ body }) =>
    body() === null ? Effect.die(new Error("on purpose")) : Effect.succeed(true)
  ),
  policy(
    "mixes calls that come at once",
    "the same input gets the same answer, however many are judged at once",
    ({ method }) =>
      Effect.gen(function* () {
        lastMethod = method
        yield* Effect.yieldNow
        return lastMethod.endsWith("Set")
      })
  )
]
