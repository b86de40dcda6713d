import { Effect, Layer, Result } from "effect"
import { type Batch, EventStore, type Moved, type Page, type Search } from "../../../application/ports/EventStore.ts"
import { Projection } from "../../../application/ports/Projection.ts"
import { headsMatching, newIncarnation } from "../../../application/storage/heads.ts"
import { hitOf, pageOf } from "../../../application/storage/page.ts"
import { bytesOf } from "../../../application/storage/scan.ts"
import { type Head, keyText } from "../../../domain/batch.ts"
import { type Entity, type Ref, refText, type State } from "../../../domain/entity.ts"
import { type Event, evolve } from "../../../domain/event.ts"
import { compareBy, compareText, evaluate, isBehind, sortKey } from "../../../domain/query.ts"
import type { TooLarge } from "../../../domain/rejection.ts"

/** One domain: its log, and what the log makes. */
interface Domain {
  readonly name: string
  readonly incarnation: string
  readonly log: Array<Event>
  readonly states: Map<string, State>
  readonly histories: Map<string, Array<Event>>
  readonly calls: Map<string, Array<Event>>
  /** When it was last appended to, counted in commits. */
  moved: number
}

const newDomain = (name: string, incarnation = newIncarnation()): Domain => ({
  name,
  incarnation,
  log: [],
  states: new Map(),
  histories: new Map(),
  calls: new Map(),
  moved: 0
})

const headOf = ({ name, incarnation, log }: Domain): Head => ({
  domain: name,
  incarnation,
  position: BigInt(log.length),
  time: log.at(-1)?.time ?? 0n,
  eventId: log.at(-1)?.id ?? ""
})

const pushTo = <A>(lists: Map<string, Array<A>>, key: string, item: A): void => {
  const list = lists.get(key)
  if (list === undefined) lists.set(key, [item])
  else list.push(item)
}

/**
 * Keeps everything in maps, and forgets it with the process. The reference adapter: its searches are the domain's own
 * definitions, and the contract was written against it.
 */
export class MemoryStore {
  protected readonly domains = new Map<string, Domain>()
  protected commits = 0

  /** Nothing yields between `decide` and the last append, so a commit is atomic. */
  commit(batch: Batch): Head {
    const domain = this.domains.get(batch.domain) ?? newDomain(batch.domain, batch.incarnation)
    const events = batch.decide({
      position: BigInt(domain.log.length),
      time: domain.log.at(-1)?.time ?? 0n,
      eventId: domain.log.at(-1)?.id ?? "",
      state: (ref) => domain.states.get(refText(ref)),
      remembered: (caller, key) => domain.calls.get(keyText(caller, key)) ?? []
    })
    if (events.length === 0) return headOf(domain)
    this.domains.set(batch.domain, domain)
    domain.moved = ++this.commits
    for (const event of events) this.append(domain, event)
    return headOf(domain)
  }

  protected append(domain: Domain, event: Event): void {
    const ref = refText(event.entity)
    domain.log.push(event)
    domain.states.set(ref, evolve(event))
    pushTo(domain.histories, ref, event)
    if (event.idempotency !== undefined) {
      pushTo(domain.calls, keyText(event.idempotency.caller, event.idempotency.key), event)
    }
  }

  stored(domain: string): ReadonlyArray<State> {
    return [...(this.domains.get(domain)?.states.values() ?? [])]
  }

  restate(domain: string, states: ReadonlyArray<State>, gone: ReadonlyArray<Ref>): void {
    const stored = this.domains.get(domain)?.states
    for (const state of states) stored?.set(refText(state), state)
    for (const ref of gone) stored?.delete(refText(ref))
  }

  state(ref: Ref): State | undefined {
    return this.domains.get(ref.domain)?.states.get(refText(ref))
  }

  history(ref: Ref): ReadonlyArray<Event> {
    return this.domains.get(ref.domain)?.histories.get(refText(ref)) ?? []
  }

  entities(domain: string, type: string): ReadonlyArray<Entity> {
    const states = [...(this.domains.get(domain)?.states.values() ?? [])]
    return states.filter((state) => state.type === type && !state.deleted)
  }

  log(domain: string): ReadonlyArray<Event> {
    return this.domains.get(domain)?.log ?? []
  }

  heads(): ReadonlyArray<Head> {
    return [...this.domains.values()].map(headOf).sort((a, b) => compareText(a.domain, b.domain))
  }

  movedSince(changeToken: string | undefined): Moved {
    const since = changeToken === undefined ? this.commits : Number(changeToken)
    const moved = [...this.domains.values()].filter((domain) => domain.moved > since)
    return { heads: moved.map(headOf), changeToken: String(this.commits) }
  }
}

/** The page of a search among all that there is. */
const found = <Item extends Entity | Event>(
  { query, order, limit, offset, after, partial }: Search,
  subjects: ReadonlyArray<Item>
): Effect.Effect<Page<Item>, TooLarge> => {
  const rest = subjects
    .filter((one) => evaluate(query, one))
    .filter((one) => after === undefined || isBehind(order, sortKey(order, one), after))
    .sort(compareBy(order))
    .slice(offset)
  const page = pageOf(rest.slice(0, limit), bytesOf, partial)
  if ("_tag" in page) return Effect.fail(page)
  const hits = page.map((item) => hitOf(order, item))
  return Effect.succeed({ hits, last: hits.length < rest.length ? hits.at(-1) : undefined })
}

/** The port over a memory store. The tests hand in broken ones, to see that the contract notices. */
export const port = (store: MemoryStore): EventStore["Service"] =>
  EventStore.of({
    capacity: {
      commits: 1,
      domains: Number.POSITIVE_INFINITY,
      events: Number.POSITIVE_INFINITY,
      bytes: Number.POSITIVE_INFINITY
    },
    commit: (batches) => Effect.sync(() => batches.map((batch) => Result.succeed(store.commit(batch)))),
    state: (ref) => Effect.sync(() => store.state(ref)),
    version: (ref, version) => Effect.sync(() => store.history(ref)[Number(version) - 1]),
    event: (ref, id) => Effect.sync(() => store.history(ref).find((event) => event.id === id)),
    entities: (search) => Effect.suspend(() => found(search, store.entities(search.domain, search.type))),
    events: (search) =>
      Effect.suspend(() => {
        const { domain, type, min, max } = search
        const within = store
          .log(domain)
          .filter(({ entity, time }) => entity.type === type && time > min && (max === 0n || time < max))
        return found(search, within)
      }),
    read: (domain, after, limit) => Effect.sync(() => store.log(domain).slice(Number(after), Number(after) + limit)),
    heads: headsMatching({
      head: (domain) => Effect.sync(() => store.heads().find((head) => head.domain === domain)),
      headsFrom: (prefix, visit) =>
        Effect.sync(() => store.heads().every((head) => compareText(head.domain, prefix) < 0 || visit(head)))
    }),
    movedSince: (changeToken) => Effect.sync(() => store.movedSince(changeToken))
  })

/** The projection of a memory store, for its maintenance. */
export const projection = (store: MemoryStore): Projection["Service"] =>
  Projection.of({
    stored: (domain, after, limit) =>
      Effect.sync(() => {
        const states = store.stored(domain)
        const from = after === undefined ? 0 : states.findIndex((state) => refText(state) === refText(after)) + 1
        return states.slice(from, from + limit)
      }),
    restate: (domain, states, gone) => Effect.sync(() => store.restate(domain, states, gone))
  })

export const layer: Layer.Layer<EventStore | Projection> = Layer.unwrap(
  Effect.sync(() => {
    const store = new MemoryStore()
    return Layer.merge(Layer.succeed(EventStore, port(store)), Layer.succeed(Projection, projection(store)))
  })
)
