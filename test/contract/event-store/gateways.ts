// Two gateways on one storage, as laws use them: two stores over it, open at the same time.

import { Context, Effect, Layer } from "effect"
import { assert } from "vitest"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { type Event, fold } from "../../../domain/event.ts"
import { same } from "../law.ts"
import type { Open } from "./reopening.ts"
import { logOf } from "./writing.ts"

export type Store = EventStore["Service"]

export class Gateways extends Context.Service<Gateways, readonly [Store, Store]>()(
  "stategate/test/contract/Gateways"
) {}

export const openTwice = (open: Open): Layer.Layer<Gateways, unknown> =>
  Layer.effect(
    Gateways,
    Effect.gen(function* () {
      const opened = Effect.map(Layer.build(Layer.fresh(open())), Context.get(EventStore))
      return [yield* opened, yield* opened] as const
    })
  )

/** Has one of them do it. */
export const on =
  (store: Store) =>
  <A, E, R>(work: Effect.Effect<A, E, R>) =>
    Effect.provideService(work, EventStore, store)

const atOnceMax = 8

/** Deals items out to both, which work on them at the same time, several each; answers in the order of the items. */
export const atOnce = <Item, A, E, R>(
  items: ReadonlyArray<Item>,
  work: (item: Item, gateway: number) => Effect.Effect<A, E, R>
) =>
  Effect.gen(function* () {
    const gateways = yield* Gateways
    const answers = new Map<number, A>()
    const share = (store: Store, gateway: number) =>
      Effect.forEach(
        [...items.keys()].filter((i) => i % 2 === gateway),
        // In turns, even where a store never waits for anything.
        (i) =>
          Effect.andThen(Effect.yieldNow, work(items[i]!, gateway)).pipe(
            on(store),
            Effect.map((answer) => answers.set(i, answer))
          ),
        { concurrency: Math.min(store.capacity.commits, atOnceMax) }
      )
    yield* Effect.forEach(gateways, share, { concurrency: 2 })
    return items.map((_, i) => answers.get(i)!)
  })

/** Both have the same log of a domain: what was made and nothing else, each event once, and the states that it makes. */
export const settled = Effect.fnUntraced(function* (domain: string, made: ReadonlyArray<Event>) {
  const [one, other] = yield* Gateways
  const log = yield* logOf(domain).pipe(on(one))
  same(yield* logOf(domain).pipe(on(other)), log, "the log on the other")
  const byPosition = made.toSorted((a, b) => Number(a.position - b.position))
  same(log, byPosition, "the log")
  const versions = new Map<string, bigint>()
  let last = 0n
  for (const { entity, time } of log) {
    assert.isTrue(time > last, "times rise")
    last = time
    assert.strictEqual(entity.version, (versions.get(entity.key) ?? 0n) + 1n, "versions have no gap")
    versions.set(entity.key, entity.version)
  }
  for (const state of fold(log).values())
    for (const store of [one, other]) same(yield* store.state(state), state, "state")
  return log
})
