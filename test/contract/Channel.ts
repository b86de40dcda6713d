// What every channel must do while nothing fails. Losing, repeating and reordering are allowed when something does, so
// laws wait for what has to arrive, and mind no repeats.

import { Effect, Exit, type Layer, Scope } from "effect"
import { assert } from "vitest"
import { type Announcement, Channel } from "../../application/ports/Channel.ts"
import { type Event, methods } from "../../domain/event.ts"
import { fresh, type Law, register, same } from "./law.ts"

/** How long a law waits for what must arrive. No law says how long it takes. */
const arrivalMsMax = 10_000

/** An announcement that nobody else makes. */
const announcement = (domain: string, position: bigint, more: Partial<Event> = {}): Announcement => ({
  incarnation: "0123456789abcdef",
  previousId: position === 1n ? "" : `before-${position}`,
  event: {
    id: crypto.randomUUID(),
    position,
    time: 1_700_000_000_000_000_000n + position,
    method: methods.set,
    entity: { domain, type: "thing", key: "a", values: { position: Number(position) }, version: position },
    claims: {},
    erased: false,
    ...more
  }
})

const sequence = (domain: string, from: number, to: number) =>
  Array.from({ length: to - from + 1 }, (_, i) => announcement(domain, BigInt(from + i)))

/** What reached a subscriber; brokers are shared, so it has an eye for its own domains alone. */
class Inbox {
  readonly #domains: ReadonlySet<string>
  readonly #seen: Array<Announcement> = []

  constructor(...domains: ReadonlyArray<string>) {
    this.#domains = new Set(domains)
  }

  readonly deliver = (announcements: ReadonlyArray<Announcement>): void => {
    this.#seen.push(...announcements.filter(({ event }) => this.#domains.has(event.entity.domain)))
  }

  /** In the order in which they first came. */
  of(domain: string): ReadonlyArray<Announcement> {
    const own = this.#seen.filter(({ event }) => event.entity.domain === domain)
    return [...new Map(own.toReversed().map((one) => [one.event.id, one])).values()].toReversed()
  }

  readonly arrived = Effect.fnUntraced(function* (this: Inbox, wanted: ReadonlyArray<Announcement>) {
    const missing = () => wanted.filter(({ event }) => !this.#seen.some((one) => one.event.id === event.id)).length
    for (let waited = 0; missing() > 0 && waited < arrivalMsMax; waited += 5) yield* Effect.sleep(5)
    assert.strictEqual(missing(), 0, "announcements that did not arrive")
  })
}

const subscribed = Effect.fnUntraced(function* (...domains: ReadonlyArray<string>) {
  const inbox = new Inbox(...domains)
  yield* (yield* Channel).subscribe(inbox.deliver)
  return inbox
})

const publish = (announcements: ReadonlyArray<Announcement>) => Channel.use((channel) => channel.publish(announcements))

const everyone: Law<Channel> = {
  name: "what is published reaches every subscriber, the publisher's own included, and nothing is invented",
  check: Effect.gen(function* () {
    const domain = fresh("everyone")
    const inboxes = [yield* subscribed(domain), yield* subscribed(domain), yield* subscribed(domain)]
    const published = [...sequence(domain, 1, 3), ...sequence(domain, 4, 4), ...sequence(domain, 5, 20)]
    yield* publish(published.slice(0, 3))
    yield* publish(published.slice(3, 4))
    yield* publish(published.slice(4))
    for (const inbox of inboxes) {
      yield* inbox.arrived(published)
      same(inbox.of(domain), published, "what arrived")
    }
  }).pipe(Effect.scoped)
}

const inOrder: Law<Channel> = {
  name: "announcements of a domain come in order",
  check: Effect.gen(function* () {
    const domains = [fresh("order"), fresh("order"), fresh("order")]
    const inbox = yield* subscribed(...domains)
    const all: Array<Announcement> = []
    for (let from = 1; from <= 100; from += 5) {
      // Domains alternate within a batch, as they do when several share a commit.
      const sequences = domains.map((domain) => sequence(domain, from, from + 4))
      const batch = [0, 1, 2, 3, 4].flatMap((i) => sequences.map((own) => own[i]!))
      yield* publish(batch)
      all.push(...batch)
    }
    yield* inbox.arrived(all)
    for (const domain of domains) {
      const positions = inbox.of(domain).map(({ event }) => event.position)
      same(
        positions,
        sequence(domain, 1, 100).map(({ event }) => event.position),
        "positions as they came"
      )
    }
  }).pipe(Effect.scoped)
}

const exact: Law<Channel> = {
  name: "an event survives the journey to the last bit",
  check: Effect.gen(function* () {
    const domain = fresh("exact")
    const inbox = yield* subscribed(domain)
    const last = 2n ** 63n - 1n
    const values = {
      ...Object.fromEntries([
        ["__proto__", { a: 1 }],
        ["", null],
        ["a.b", [1e308, 5e-324, -1, 0.1, 2 ** 53]],
        ["𝄞", "\uffff"]
      ]),
      nested: [[[{ deep: [] }]]],
      quotes: "'\"\\\n"
    }
    const traceparent = `00-${"4b".repeat(16)}-${"a1".repeat(8)}-01`
    const entity = { domain, type: "a.b>*'", key: "𝄞/ü?#%", values, version: last - 1n }
    const published: ReadonlyArray<Announcement> = [
      announcement(domain, 1n, { time: 2n ** 62n + 1n, entity, claims: { sub: "𝄞", roles: ["a", null] } }),
      announcement(domain, 2n, { idempotency: { caller: '["iss","𝄞"]', key: "k'\"", hash: "00ff" }, traceparent }),
      announcement(domain, 3n, { method: methods.del, erased: true }),
      { ...announcement(domain, last, { time: last }), incarnation: "fedcba9876543210" },
      announcement(domain, 2n ** 53n + 1n, { method: methods.revert }),
      announcement(domain, 4n, { method: methods.edit, entity: { ...entity, values: { text: "𝄞".repeat(200_000) } } })
    ]
    for (const one of published) yield* publish([one])
    yield* inbox.arrived(published)
    same(inbox.of(domain), published, "what arrived")
  }).pipe(Effect.scoped)
}

const atOnce: Law<Channel> = {
  name: "a subscription is in place when it succeeds",
  check: Effect.gen(function* () {
    for (let n = 0; n < 20; n++) {
      const domain = fresh("at-once")
      const published = sequence(domain, 1, 1)
      yield* Effect.scoped(
        Effect.gen(function* () {
          const inbox = yield* subscribed(domain)
          yield* publish(published)
          yield* inbox.arrived(published)
        })
      )
    }
  })
}

const closed: Law<Channel> = {
  name: "nothing is delivered after the scope has closed, and others stay subscribed",
  check: Effect.gen(function* () {
    const channel = yield* Channel
    const domain = fresh("closed")
    const staying = yield* subscribed(domain)
    const leaving = new Inbox(domain)
    // Both have the same function, so that a channel which keeps functions in a set is seen.
    const [first, second] = [yield* Scope.make(), yield* Scope.make()]
    for (const scope of [first, second]) yield* Scope.provide(channel.subscribe(leaving.deliver), scope)
    const published = sequence(domain, 1, 4)
    yield* publish(published.slice(0, 1))
    yield* leaving.arrived(published.slice(0, 1))
    yield* Scope.close(first, Exit.void)
    yield* publish(published.slice(1, 2))
    yield* leaving.arrived(published.slice(1, 2))
    yield* Scope.close(second, Exit.void)
    for (const one of published.slice(2)) {
      yield* publish([one])
      // Once it reached who stayed, it would have reached who left.
      yield* staying.arrived([one])
    }
    same(leaving.of(domain), published.slice(0, 2), "what arrived where the scope has closed")
    same(staying.of(domain), published, "what arrived elsewhere")
  }).pipe(Effect.scoped)
}

const nobody: Law<Channel> = {
  name: "publishing succeeds when nobody listens, and when there is nothing to publish",
  check: Effect.gen(function* () {
    const domain = fresh("nobody")
    yield* publish(sequence(domain, 1, 3))
    yield* publish([])
    const inbox = yield* subscribed(domain)
    yield* publish([])
    const published = sequence(domain, 4, 5)
    yield* publish(published)
    yield* inbox.arrived(published)
  }).pipe(Effect.scoped)
}

export const laws: ReadonlyArray<Law<Channel>> = [everyone, inOrder, exact, atOnce, closed, nobody]

export const contract = (name: string, layer: Layer.Layer<Channel, unknown>): void => {
  register(`Channel contract (${name})`, laws, layer)
}
