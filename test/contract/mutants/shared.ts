// Stores that are healthy as long as one gateway has them for itself.

import { Effect, Result, Semaphore } from "effect"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import type { Batch, Moved } from "../../../application/ports/EventStore.ts"
import type { Event } from "../../../domain/event.ts"
import type { Gateways, Store } from "../event-store/gateways.ts"
import { commitsEach, type Method, type Mutant, methodsThatRead, replicated } from "./mutant.ts"

type SharedMutant = Mutant<Gateways["Service"]>

const oneDomain = "two gateways that append to one domain at once lose, repeat and reorder nothing"
const acknowledged = "every read on one gateway sees a commit that succeeded before it on the other"
const shown = "what one gateway has shown of a commit, the other shows from then on"
const tokens = "a change token of one gateway shows, on both, what either commits after it"

/** Two gateways over one memory store, with ways of their own; `change` is called for each of them. */
const gateways = (
  does: string,
  breaks: string,
  change: (healthy: Store, store: MemoryStore, gateway: number) => Partial<Store>
): SharedMutant => ({
  does,
  breaks,
  make: () => {
    const store = new MemoryStore()
    const healthy = port(store)
    return [
      { ...healthy, ...change(healthy, store, 0) },
      { ...healthy, ...change(healthy, store, 1) }
    ]
  }
})

/** What a batch decides on the domain as it is now. */
const decided = (store: MemoryStore, batch: Batch): ReadonlyArray<Event> => {
  let events: ReadonlyArray<Event> = []
  store.commit({
    ...batch,
    decide: (snapshot) => {
      events = batch.decide(snapshot)
      return []
    }
  })
  return events
}

/** Gives others a turn between a look at a batch and its commit. */
const afterOthers = (store: MemoryStore, look: (batch: Batch) => () => Batch) =>
  commitsEach(store, (batch) => {
    const changed = look(batch)
    return Effect.map(Effect.yieldNow, changed)
  })

const committing: ReadonlyArray<SharedMutant> = [
  gateways(
    "decides, and appends that behind whatever others did meanwhile",
    "of many commits on two gateways that expect one version exactly one wins",
    (_healthy, store) =>
      afterOthers(store, (batch) => {
        const events = decided(store, batch)
        const behind: Batch["decide"] = ({ position }) =>
          events.map((event, i) => ({ ...event, position: position + BigInt(i) + 1n }))
        return () => ({ ...batch, decide: behind })
      })
  ),
  gateways("appends where there was room when it decided", oneDomain, (_healthy, store) =>
    afterOthers(store, (batch) => {
      const events = decided(store, batch)
      return () => ({ ...batch, decide: () => events })
    })
  ),
  gateways("commits twice when others were faster", oneDomain, (_healthy, store) =>
    afterOthers(store, (batch) => {
      const before = store.log(batch.domain).length
      return () => {
        if (store.log(batch.domain).length > before) store.commit(batch)
        return batch
      }
    })
  ),
  gateways("goes by the times of its own commits", oneDomain, (_healthy, store) => {
    const times = new Map<string, bigint>()
    return commitsEach(store, (batch) =>
      Effect.succeed({
        ...batch,
        decide: (snapshot) => {
          const events = batch.decide({ ...snapshot, time: times.get(batch.domain) ?? 0n })
          for (const { time } of events) times.set(batch.domain, time)
          return events
        }
      })
    )
  }),
  {
    does: "holds one domain while it waits for the next",
    breaks: "two gateways that append to many domains at once do so in each as in one",
    make: () => {
      const healthy = port(new MemoryStore())
      const locks = new Map<string, Semaphore.Semaphore>()
      const lock = (domain: string) => {
        const found = locks.get(domain) ?? Semaphore.makeUnsafe(1)
        locks.set(domain, found)
        return found.withPermit
      }
      const commit: Store["commit"] = (batches) =>
        batches.reduceRight(
          (work, { domain }) => lock(domain)(Effect.andThen(Effect.yieldNow, work)),
          healthy.commit(batches)
        )
      return [
        { ...healthy, commit },
        { ...healthy, commit }
      ]
    }
  },
  gateways(
    "remembers the keys of its own callers alone",
    "an idempotency key that is used on two gateways at once makes one event",
    (_healthy, store) => {
      const own = new Set<string>()
      return commitsEach(store, (batch) =>
        Effect.succeed({
          ...batch,
          decide: ({ remembered, ...snapshot }) => {
            const ours = (caller: string, key: string) => remembered(caller, key).filter(({ id }) => own.has(id))
            const events = batch.decide({ ...snapshot, remembered: ours })
            for (const { id } of events) own.add(id)
            return events
          }
        })
      )
    }
  ),
  gateways(
    "gives domains an incarnation of its own",
    "a domain that is born on two gateways at once has one incarnation",
    (healthy, _store, gateway) => {
      const incarnation = String(gateway).repeat(16)
      return {
        commit: (batches) =>
          Effect.map(healthy.commit(batches), (results) =>
            results.map((result) => Result.map(result, (head) => ({ ...head, incarnation })))
          ),
        heads: (glob, limit) =>
          Effect.map(healthy.heads(glob, limit), (heads) => heads.map((head) => ({ ...head, incarnation })))
      }
    }
  ),
  gateways(
    "gives up a batch at the first batch that makes nothing",
    "what is rejected of a batch leaves the rest of it alone, whoever else commits",
    (healthy) => ({
      commit: (batches) => {
        let isOver = false
        const decide =
          (batch: Batch): Batch["decide"] =>
          (snapshot) => {
            const events = isOver ? [] : batch.decide(snapshot)
            isOver ||= events.length === 0
            return events
          }
        return healthy.commit(batches.map((batch) => ({ ...batch, decide: decide(batch) })))
      }
    })
  )
]

/** Two gateways, the second of which reads some things from a replica that is one commit late. */
const late = (method: Method): SharedMutant => ({
  does: `answers ${method} from before the last commit of another`,
  breaks: acknowledged,
  make: () => {
    const [primary, replica] = replicated()
    return [port(primary), { ...port(primary), [method]: port(replica)[method] } as Store]
  }
})

/** Two gateways, the second of which reads from a replica that a commit waits for. */
const awaited = (does: string, reads: (primary: Store, replica: Store) => Store): SharedMutant => ({
  does,
  breaks: shown,
  make: () => {
    const [primary, replica] = [new MemoryStore(), new MemoryStore()]
    const commit: Store["commit"] = (batches) =>
      Effect.forEach(batches, (batch) => {
        const events = decided(primary, batch)
        const both = { ...batch, decide: () => events }
        const head = primary.commit(both)
        return Effect.as(
          Effect.andThen(
            Effect.yieldNow,
            Effect.sync(() => replica.commit(both))
          ),
          Result.succeed(head)
        )
      })
    return [
      { ...port(primary), commit },
      { ...reads(port(primary), port(replica)), commit }
    ]
  }
})

const showing: ReadonlyArray<SharedMutant> = [
  ...methodsThatRead.map(late),
  {
    does: "keeps what it is given to itself",
    breaks: acknowledged,
    make: () => [port(new MemoryStore()), port(new MemoryStore())]
  },
  awaited("shows a commit before the other can", (_primary, replica) => replica),
  awaited("shows the log before the states", (primary, { state }) => ({ ...primary, state })),
  awaited("shows states before the log", (primary, { read }) => ({ ...primary, read })),
  gateways("takes a token of another for none", tokens, (healthy, _store, gateway) => ({
    movedSince: (changeToken) => {
      const [from, own] = changeToken?.split(":") ?? []
      const moved = healthy.movedSince(from === String(gateway) ? own : undefined)
      return Effect.map(moved, (found): Moved => ({ ...found, changeToken: `${gateway}:${found.changeToken}` }))
    }
  })),
  gateways("tells of its own commits alone", tokens, (healthy) => {
    const own = new Set<string>()
    return {
      commit: (batches) => {
        for (const { domain } of batches) own.add(domain)
        return healthy.commit(batches)
      },
      movedSince: (changeToken) =>
        Effect.map(healthy.movedSince(changeToken), (moved) => ({
          ...moved,
          heads: moved.heads.filter(({ domain }) => own.has(domain))
        }))
    }
  }),
  {
    does: "numbers commits before it shows them",
    breaks: "who follows change tokens on one gateway misses nothing that the other commits meanwhile",
    make: () => {
      const store = new MemoryStore()
      const numbered = new Map<string, number>()
      let last = 0
      const gateway: Store = {
        ...port(store),
        ...commitsEach(store, (batch) => {
          numbered.set(batch.domain, ++last)
          return Effect.as(Effect.yieldNow, batch)
        }),
        movedSince: (changeToken) =>
          Effect.sync(() => ({
            heads: store.heads().filter(({ domain }) => numbered.get(domain)! > Number(changeToken ?? last)),
            changeToken: String(last)
          }))
      }
      return [gateway, gateway]
    }
  }
]

export const shared = [...committing, ...showing]
