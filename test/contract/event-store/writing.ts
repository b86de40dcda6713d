// How laws write: through the port, with the decisions of the domain or with events as a law wants them.

import { Effect, Result } from "effect"
import { assert } from "vitest"
import { type Batch, EventStore } from "../../../application/ports/EventStore.ts"
import { decideBatch, type Head, type Job, type Outcome, type Snapshot } from "../../../domain/batch.ts"
import type { Change, Precondition } from "../../../domain/command.ts"
import type { Entity, Ref, State } from "../../../domain/entity.ts"
import { type Event, type Idempotency, type Mutation, methods } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"

/** What became of a domain's part in a commit. */
export interface Written {
  readonly head: Head
  readonly outcomes: ReadonlyArray<Outcome>
  readonly events: ReadonlyArray<Event>
}

const systemNow = () => BigInt(Date.now()) * 1_000_000n

export const job = (ref: Ref, change: Change, more: Partial<Job> & { readonly if?: Precondition } = {}): Job => {
  const { if: precondition = { _tag: "None" }, ...rest } = more
  return { domain: ref.domain, commands: [{ ref, change, precondition }], parts: false, claims: {}, ...rest }
}

export const set = (values: JsonObject): Change => ({ _tag: "Set", values })
export const edit = (values: JsonObject): Change => ({ _tag: "Edit", values })
export const del: Change = { _tag: "Del" }

/** A ref of a domain whose type is not what the law is about. */
export const refIn = (domain: string, key: string, type = "thing"): Ref => ({ domain, type, key })

/** Jobs as a batch, and what the decision that counted made of them. */
export const batchOf = (domain: string, jobs: ReadonlyArray<Job>, now: () => bigint = systemNow) => {
  const made: { decision: { readonly events: ReadonlyArray<Event>; readonly outcomes: ReadonlyArray<Outcome> } } = {
    decision: { events: [], outcomes: [] }
  }
  const batch: Batch = {
    domain,
    refs: jobs.flatMap(({ commands }) => commands.map(({ ref }) => ref)),
    keys: jobs.flatMap(({ idempotency }) => (idempotency === undefined ? [] : [idempotency])),
    decide: (snapshot) => {
      const most = { eventsMax: Number.POSITIVE_INFINITY, bytesMax: Number.POSITIVE_INFINITY }
      made.decision = decideBatch(snapshot, jobs, { now: now(), newId: () => crypto.randomUUID(), ...most })
      return made.decision.events
    }
  }
  return { batch, made }
}

/** Commits batches that must all succeed. */
export const commitBatches = Effect.fnUntraced(function* (batches: ReadonlyArray<Batch>) {
  const store = yield* EventStore
  const results = yield* store.commit(batches)
  assert.strictEqual(results.length, batches.length, "one result for each batch")
  return yield* Effect.forEach(results, (result) =>
    Result.isSuccess(result) ? Effect.succeed(result.success) : Effect.fail(result.failure)
  )
})

/** Jobs of several domains in one commit. */
export const commitAll = Effect.fnUntraced(function* (
  parts: ReadonlyArray<readonly [domain: string, jobs: ReadonlyArray<Job>]>,
  now?: () => bigint
) {
  const batches = parts.map(([domain, jobs]) => batchOf(domain, jobs, now))
  const heads = yield* commitBatches(batches.map(({ batch }) => batch))
  return batches.map(({ made }, i): Written => ({ head: heads[i]!, ...made.decision }))
})

/** Jobs of one domain in one commit. */
export const commit = Effect.fnUntraced(function* (domain: string, jobs: ReadonlyArray<Job>, now?: () => bigint) {
  const [written] = yield* commitAll([[domain, jobs]], now)
  return written!
})

/** What a law wants of an event; the rest follows from the log. */
export interface Draft {
  readonly key: string
  readonly type?: string
  readonly values?: JsonObject
  readonly method?: Mutation
  readonly claims?: JsonObject
  readonly idempotency?: Idempotency
  readonly traceparent?: string
  readonly erased?: boolean
  readonly time?: bigint
  readonly id?: string
  /** The version of the entity; the next one unless given. */
  readonly version?: bigint
}

const eventsOf = (domain: string, drafts: ReadonlyArray<Draft>, snapshot: Snapshot): ReadonlyArray<Event> => {
  const versions = new Map<string, bigint>()
  let { position, time } = snapshot
  return drafts.map(({ key, type = "thing", values = {}, ...draft }) => {
    const ref = { domain, type, key }
    const text = JSON.stringify([type, key])
    const version = draft.version ?? (versions.get(text) ?? snapshot.state(ref)?.version ?? 0n) + 1n
    versions.set(text, version)
    position += 1n
    const wanted = draft.time ?? systemNow()
    time = wanted > time ? wanted : time + 1n
    return {
      id: draft.id ?? crypto.randomUUID(),
      position,
      time,
      method: draft.method ?? methods.set,
      entity: { ...ref, values, version },
      claims: draft.claims ?? {},
      ...(draft.idempotency === undefined ? {} : { idempotency: draft.idempotency }),
      ...(draft.traceparent === undefined ? {} : { traceparent: draft.traceparent }),
      erased: draft.erased ?? false
    }
  })
}

/** A batch that appends events as they are given. */
export const draftBatch = (domain: string, drafts: ReadonlyArray<Draft>) => {
  const made: { events: ReadonlyArray<Event> } = { events: [] }
  const batch: Batch = {
    domain,
    refs: drafts.map(({ key, type = "thing" }) => ({ domain, type, key })),
    keys: drafts.flatMap(({ idempotency }) => (idempotency === undefined ? [] : [idempotency])),
    decide: (snapshot) => {
      made.events = eventsOf(domain, drafts, snapshot)
      return made.events
    }
  }
  return { batch, made }
}

/** Appends events as they are given; answers them as they must be found. */
export const append = Effect.fnUntraced(function* (domain: string, drafts: ReadonlyArray<Draft>) {
  const { batch, made } = draftBatch(domain, drafts)
  yield* commitBatches([batch])
  return made.events
})

/** The whole log of a domain, page by page, each page checked for what every page must be. */
export const logOf = Effect.fnUntraced(function* (domain: string, limit = 1000) {
  const store = yield* EventStore
  const events: Array<Event> = []
  for (let after = 0n; ; ) {
    const page = yield* store.read(domain, after, limit)
    assert.isAtMost(page.length, limit, "a page holds at most what was asked for")
    if (page.length === 0) return events
    for (const event of page) assert.strictEqual(event.position, ++after, "positions have no gap")
    events.push(...page)
  }
})

/** A state without the mark of its deletion: some stores answer entities with it, some without. */
export const entityOf = ({ domain, type, key, values, version }: Entity | State): Entity => ({
  domain,
  type,
  key,
  values,
  version
})
