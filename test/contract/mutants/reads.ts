// Stores that hold the right things and tell the wrong ones.

import { Effect } from "effect"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import type { Batch, EventStore, Moved } from "../../../application/ports/EventStore.ts"
import type { Head } from "../../../domain/batch.ts"
import { type Ref, refText } from "../../../domain/entity.ts"
import { methods } from "../../../domain/event.ts"
import { matches } from "../../../domain/glob.ts"
import { jsonText } from "../../../domain/json.ts"
import { answers, type Method, methodsThatRead, replicated, type StoreMutant, stores, storeThat } from "./mutant.ts"

const absent = "what is not there reads as nothing"
const paged = "pages of the log make up the log"
const byRef = "an event is found under its own ref alone"
const byVersion = "version answers the event that made it, for deletions as well, and nothing beyond"
const byGlob = "heads are those of the domains that match, by name, up to the limit"
const incarnation = "a head tells position, time and event id, under an incarnation that never changes"
const moved = "movedSince misses no domain that moved after its token"
const marked = "a token that is taken between two commits shows the second"

/** A store whose method is one commit late, as a replica or a cache is. */
const late = (method: Method): StoreMutant => ({
  does: `answers ${method} from before the last commit`,
  breaks: "every read sees a commit that succeeded before it",
  make: () => {
    const [primary, replica] = replicated()
    return { ...port(primary), [method]: port(replica)[method] } as EventStore["Service"]
  }
})

const single: ReadonlyArray<StoreMutant> = [
  answers("invents an entity", absent, (healthy) => ({
    state: (ref) =>
      Effect.map(healthy.state(ref), (state) => state ?? { ...ref, values: {}, version: 0n, deleted: false })
  })),
  answers("counts versions from 0", byVersion, (healthy) => ({
    version: (ref, version) => healthy.version(ref, version + 1n)
  })),
  answers("has no version for a deletion", byVersion, (healthy) => ({
    version: (ref, version) =>
      Effect.map(healthy.version(ref, version), (event) => (event?.method === methods.del ? undefined : event))
  })),
  answers("answers the last version for one that is yet to come", byVersion, (healthy, store) => ({
    version: (ref, version) =>
      Effect.map(healthy.version(ref, version), (event) => event ?? (version > 0n ? store.history(ref).at(-1) : event))
  })),
  answers("finds events under any ref of their domain", byRef, (_healthy, store) => ({
    event: (ref, id) => Effect.succeed(store.log(ref.domain).find((event) => event.id === id))
  })),
  answers("finds events under the same ref of any domain", byRef, (_healthy, store) => ({
    event: (ref, id) =>
      Effect.succeed(
        store
          .heads()
          .flatMap(({ domain }) => store.history({ ...ref, domain }))
          .find((event) => event.id === id)
      )
  })),
  answers("answers the newest event for an id that it does not know", byRef, (healthy, store) => ({
    event: (ref, id) => Effect.map(healthy.event(ref, id), (event) => event ?? store.history(ref).at(-1))
  })),
  stores(
    "takes type and key for one name",
    "type and key are two names, not one",
    class extends MemoryStore {
      override state(ref: Ref) {
        const text = ref.type + ref.key
        const last = this.log(ref.domain).findLast(({ entity }) => entity.type + entity.key === text)
        return last && super.state(last.entity)
      }
    }
  ),
  stores(
    "takes names in another case for the same",
    "names are kept apart and come back exactly, as keys, types and domains",
    class extends MemoryStore {
      override state(ref: Ref) {
        const text = refText(ref).toLowerCase()
        const last = this.log(ref.domain).findLast(({ entity }) => refText(entity).toLowerCase() === text)
        return last && super.state(last.entity)
      }
    }
  )
]

const log: ReadonlyArray<StoreMutant> = [
  answers("reads the newest first", paged, (healthy) => ({
    read: (domain, after, limit) => Effect.map(healthy.read(domain, after, limit), (events) => events.toReversed())
  })),
  answers("skips an event between two pages", paged, (healthy) => ({
    read: (domain, after, limit) => healthy.read(domain, after === 0n ? after : after + 1n, limit)
  })),
  answers("repeats an event on two pages", paged, (healthy) => ({
    read: (domain, after, limit) => healthy.read(domain, after > 1n ? after - 1n : after, limit)
  })),
  answers("reads more than it was asked for", paged, (healthy) => ({
    read: (domain, after, limit) => healthy.read(domain, after, limit + 1)
  })),
  answers("has no page for a large event", "a log of large events can be read to its end", (healthy) => ({
    read: (domain, after, limit) =>
      Effect.map(healthy.read(domain, after, limit), (events) => {
        const large = events.findIndex(({ entity }) => jsonText(entity.values).length > 500_000)
        return large < 0 ? events : events.slice(0, large)
      })
  }))
]

const heads: ReadonlyArray<StoreMutant> = [
  answers("answers heads whatever the glob", byGlob, (_healthy, store) => ({
    heads: (_glob, limit) => Effect.sync(() => store.heads().slice(0, limit))
  })),
  answers("looks at nothing but what a glob starts with", byGlob, (_healthy, store) => ({
    heads: ({ prefix }, limit) =>
      Effect.sync(() =>
        store
          .heads()
          .filter(({ domain }) => domain.startsWith(prefix))
          .slice(0, limit)
      )
  })),
  answers("answers all heads whatever the limit", byGlob, (healthy) => ({
    heads: (glob) => healthy.heads(glob, Number.POSITIVE_INFINITY)
  })),
  answers("sorts heads by UTF-16", byGlob, (healthy) => ({
    heads: (glob, limit) =>
      Effect.map(healthy.heads(glob, Number.POSITIVE_INFINITY), (found) =>
        [...found].sort((a, b) => (a.domain < b.domain ? -1 : 1)).slice(0, limit)
      )
  })),
  answers("cuts heads to the limit before it matches them", byGlob, (_healthy, store) => ({
    heads: (glob, limit) =>
      Effect.sync(() =>
        store
          .heads()
          .slice(0, limit)
          .filter(({ domain }) => matches(glob, domain))
      )
  })),
  storeThat(
    "makes up an incarnation each time",
    incarnation,
    (batch) => batch,
    (head) => ({
      ...head,
      incarnation: crypto.randomUUID().replaceAll("-", "").slice(0, 16)
    })
  ),
  stores(
    "gives every domain one incarnation",
    incarnation,
    class extends MemoryStore {
      override commit(batch: Batch): Head {
        return { ...super.commit(batch), incarnation: "0123456789abcdef" }
      }
      override heads(): ReadonlyArray<Head> {
        return super.heads().map((head) => ({ ...head, incarnation: "0123456789abcdef" }))
      }
    }
  ),
  answers("tells the first event of a log for its last", incarnation, (healthy, store) => ({
    heads: (glob, limit) =>
      Effect.map(healthy.heads(glob, limit), (found) =>
        found.map((head) => ({ ...head, eventId: store.log(head.domain)[0]!.id }))
      )
  }))
]

const changed = (does: string, breaks: string, change: (answer: Moved, changeToken: string | undefined) => Moved) =>
  answers(does, breaks, (healthy) => ({
    movedSince: (changeToken) => Effect.map(healthy.movedSince(changeToken), (answer) => change(answer, changeToken))
  }))

const marks: ReadonlyArray<StoreMutant> = [
  changed("misses a domain that moved with others", moved, (answer) => ({
    ...answer,
    heads: answer.heads.slice(0, 1)
  })),
  answers("misses domains that move again", moved, (healthy) => {
    const told = new Set<string>()
    return {
      movedSince: (changeToken) =>
        Effect.map(healthy.movedSince(changeToken), (answer) => {
          const heads = answer.heads.filter(({ domain }) => !told.has(domain))
          for (const { domain } of heads) told.add(domain)
          return { ...answer, heads }
        })
    }
  }),
  changed("tells heads as they were", moved, (answer) => ({
    ...answer,
    heads: answer.heads.map((head) => ({ ...head, position: 1n }))
  })),
  answers("tells all heads when there is no token", moved, (healthy) => ({
    movedSince: (changeToken) => healthy.movedSince(changeToken ?? "0")
  })),
  answers("misses what came right after the token", marked, (healthy) => ({
    movedSince: (changeToken) =>
      healthy.movedSince(changeToken === undefined ? changeToken : String(Number(changeToken) + 1))
  }))
]

export const reads = [...methodsThatRead.map(late), ...single, ...log, ...heads, ...marks]
