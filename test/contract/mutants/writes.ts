// Stores that write something else than what was decided, or not all of it.

import { Effect, Exit, Result } from "effect"
import { MemoryStore } from "../../../adapters/storage/memory/store.ts"
import type { Batch } from "../../../application/ports/EventStore.ts"
import type { Head } from "../../../domain/batch.ts"
import type { Ref } from "../../../domain/entity.ts"
import { type Event, methods } from "../../../domain/event.ts"
import { answers, appends, type StoreMutant, stores, storeThat } from "./mutant.ts"

const inLog = "events stand in the log as decided, once, at positions without a gap"
const folds = "the projection is the fold of the log, after any commands"
const throws = "a decision that throws leaves nothing behind, and the other batches whole or not at all"
const makesNothing = "a decision for nothing changes nothing, and makes no domain"

/** Has a head for every domain that it touched. */
class Touched extends MemoryStore {
  protected readonly touched = new Set<string>()
  override heads(): ReadonlyArray<Head> {
    const found = super.heads()
    const empty = { incarnation: "0".repeat(16), position: 0n, time: 0n, eventId: "" }
    const more = [...this.touched].filter((domain) => !found.some((head) => head.domain === domain))
    return [...found, ...more.map((domain) => ({ domain, ...empty }))]
  }
}

const keepsIdentity = "a log that comes from elsewhere keeps its identity, and one that is there is given no other"

const appending: ReadonlyArray<StoreMutant> = [
  storeThat("gives every log an identity of its own", keepsIdentity, ({ incarnation: _, ...batch }) => batch),
  storeThat(
    "gives a log the identity that a batch brings, whenever it does",
    keepsIdentity,
    (batch) => batch,
    (head) => ({ ...head, incarnation: "0123456789abcdef" })
  ),
  appends("leaves a gap", inLog, (events) =>
    events.map((event) => (event.position > 3n ? { ...event, position: event.position + 1n } : event))
  ),
  appends("repeats a position", inLog, (events) =>
    events.map((event) => (event.position === 4n ? { ...event, position: 3n } : event))
  ),
  appends("keeps half of a batch", inLog, (events) => events.slice(0, Math.ceil(events.length / 2))),
  appends("appends in another order", inLog, (events) => events.toReversed()),
  storeThat("decides twice and appends both", inLog, (batch) => ({
    ...batch,
    decide: (snapshot) => [...batch.decide(snapshot), ...batch.decide(snapshot)]
  })),
  storeThat("decides twice and appends the first", inLog, (batch) => ({
    ...batch,
    decide: (snapshot) => {
      const events = batch.decide(snapshot)
      batch.decide(snapshot)
      return events
    }
  })),
  storeThat(
    "answers another head than it has",
    inLog,
    (batch) => batch,
    (head) => ({ ...head, position: head.position - 1n })
  ),
  appends(
    "drops what is too many for it",
    "a commit may hold as many events, and as many bytes, as the store says",
    (events) => events.slice(0, 500)
  ),
  answers(
    "answers a result where there was no batch",
    "a commit of no batches succeeds with no results",
    (healthy, store) => ({
      commit: (batches) =>
        batches.length === 0
          ? Effect.succeed([Result.succeed({ ...store.heads()[0], domain: "" } as Head)])
          : healthy.commit(batches)
    })
  ),
  answers(
    "answers in the order of the names",
    "batches of several domains each get their own result, in their order",
    (healthy) => ({
      commit: (batches) => healthy.commit([...batches].sort((a, b) => (a.domain < b.domain ? -1 : 1)))
    })
  ),
  stores(
    "makes a domain for a decision for nothing",
    makesNothing,
    class extends Touched {
      override commit(batch: Batch): Head {
        this.touched.add(batch.domain)
        return super.commit(batch)
      }
    }
  ),
  stores(
    "does not project what an Edit made",
    folds,
    class extends MemoryStore {
      override state(ref: Ref) {
        return this.history(ref).findLast(({ method }) => method !== methods.edit) && super.state(ref)
      }
    }
  ),
  stores(
    "forgets deleted entities",
    folds,
    class extends MemoryStore {
      override state(ref: Ref) {
        const state = super.state(ref)
        return state?.deleted ? undefined : state
      }
    }
  ),
  stores(
    "brings back what was deleted",
    folds,
    class extends MemoryStore {
      override state(ref: Ref) {
        const state = super.state(ref)
        return state && { ...state, deleted: false }
      }
    }
  )
]

const accidents: ReadonlyArray<StoreMutant> = [
  stores(
    "leaves a head where a decision threw",
    throws,
    class extends Touched {
      override commit(batch: Batch): Head {
        try {
          return super.commit(batch)
        } catch (error) {
          this.touched.add(batch.domain)
          throw error
        }
      }
    }
  ),
  answers("never commits again after a decision threw", throws, (healthy) => {
    let locked = false
    return {
      commit: (batches) =>
        locked
          ? Effect.never
          : Effect.onExit(healthy.commit(batches), (exit) =>
              Effect.sync(() => {
                locked = Exit.isFailure(exit)
              })
            )
    }
  }),
  answers("calls a throw a success", throws, (healthy, store) => ({
    commit: (batches) =>
      Effect.catchDefect(healthy.commit(batches), () =>
        Effect.succeed(batches.map(() => Result.succeed(store.heads()[0]!)))
      )
  })),
  answers("keeps half of a batch when another one throws", throws, (_healthy, store) => ({
    commit: (batches) =>
      Effect.sync(() => {
        const decided = batches.map((batch) => ({
          ...batch,
          decide: (snapshot: Parameters<Batch["decide"]>[0]) =>
            batch.decide(snapshot).slice(0, batches.length > 1 ? 1 : undefined)
        }))
        return decided.map((batch) => Result.succeed(store.commit(batch)))
      })
  })),
  answers(
    "writes event by event, and stops where it is interrupted",
    "an interrupted commit is done as a whole or not at all",
    (_healthy, store) => ({
      commit: Effect.fnUntraced(function* (batches) {
        const heads: Array<Result.Result<Head>> = []
        for (const batch of batches) {
          let events: ReadonlyArray<Event> | undefined
          let head: Head | undefined
          for (let i = 0; i < (events?.length ?? 1); i++) {
            const decide: Batch["decide"] = (snapshot) => {
              events ??= batch.decide(snapshot)
              return events.slice(i, i + 1)
            }
            head = store.commit({ ...batch, decide })
            yield* Effect.yieldNow
          }
          heads.push(Result.succeed(head!))
        }
        return heads
      })
    })
  )
]

export const writes = [...appending, ...accidents]
