import { type Command, type Decision, decide } from "./command.ts"
import { type Ref, refText, type State } from "./entity.ts"
import { type Event, evolve, type Idempotency } from "./event.ts"
import { type JsonObject, jsonText, utf8BytesAtMost } from "./json.ts"
import { applyBytesMax } from "./limits.ts"
import { type Rejection, within } from "./rejection.ts"

/** What one caller asks for at once, in one domain: done as a whole or not at all. */
export interface Job {
  readonly domain: string
  readonly commands: ReadonlyArray<Command>
  /** Whether the commands are parts of an Apply, so that a rejection says which part it was. */
  readonly parts: boolean
  readonly claims: JsonObject
  readonly idempotency?: Idempotency
  /** Kept with the events, so that whoever reads them can tell which call made them. */
  readonly traceparent?: string
}

/** The place that a domain's log has reached. */
export interface Head {
  readonly domain: string
  /** Random, born with the domain: tells a log from another that took its place. */
  readonly incarnation: string
  readonly position: bigint
  /** Time and id of the event there; 0 and "" when there is none. */
  readonly time: bigint
  readonly eventId: string
}

/** A domain as it is between two commits. */
export interface Snapshot {
  readonly position: bigint
  readonly time: bigint
  /** Id of the last event, "" when there is none. */
  readonly eventId: string
  readonly state: (ref: Ref) => State | undefined
  /** The events that a call with this key has made, in order; none if the key is free. */
  readonly remembered: (caller: string, key: string) => ReadonlyArray<Event>
}

/** What became of a job. A deferred one found the batch full and belongs to the next. */
export type Outcome =
  | { readonly _tag: "Done"; readonly events: ReadonlyArray<Event>; readonly replayed: boolean }
  | { readonly _tag: "Rejected"; readonly rejection: Rejection }
  | { readonly _tag: "Deferred" }

/** What a decision may take from outside, and how much it may make. Fresh for every try. */
export interface Circumstances {
  /** Nanoseconds since the epoch. */
  readonly now: bigint
  readonly newId: () => string
  readonly eventsMax: number
  readonly bytesMax: number
}

export interface BatchDecision {
  readonly events: ReadonlyArray<Event>
  /** One for each job, in order. */
  readonly outcomes: ReadonlyArray<Outcome>
}

export const keyText = (caller: string, key: string): string => `${caller}\u0000${key}`

// Field names, ids and numbers beside the names, values and claims of an event; generous, so that a batch stays below
// the limit in any encoding.
const eventOverheadBytes = 512

/**
 * Decides jobs one after another, each seeing what those before it did. Pure, so that a store which finds that
 * something was appended meanwhile can simply decide again.
 */
export const decideBatch = (
  snapshot: Snapshot,
  jobs: ReadonlyArray<Job>,
  circumstances: Circumstances
): BatchDecision => {
  const states = new Map<string, State>()
  const remembered = new Map<string, ReadonlyArray<Event>>()
  const events: Array<Event> = []
  const outcomes: Array<Outcome> = []
  let { position, time } = snapshot
  let bytes = 0
  let full = false
  for (const job of jobs) {
    if (full) {
      outcomes.push({ _tag: "Deferred" })
      continue
    }
    const key = job.idempotency
    if (key !== undefined) {
      const earlier = remembered.get(keyText(key.caller, key.key)) ?? snapshot.remembered(key.caller, key.key)
      if (earlier.length > 0) {
        outcomes.push(
          earlier[0]!.idempotency?.hash === key.hash
            ? { _tag: "Done", events: earlier, replayed: true }
            : { _tag: "Rejected", rejection: { _tag: "KeyReused" } }
        )
        continue
      }
    }
    const decided = decideJob(job, (ref, text) => states.get(text) ?? snapshot.state(ref))
    if (!("decisions" in decided)) {
      outcomes.push({ _tag: "Rejected", rejection: decided })
      continue
    }
    const fits =
      events.length + decided.decisions.length <= circumstances.eventsMax &&
      bytes + decided.bytes <= circumstances.bytesMax
    if (!fits && events.length > 0) {
      full = true
      outcomes.push({ _tag: "Deferred" })
      continue
    }
    if (!fits) {
      outcomes.push({
        _tag: "Rejected",
        rejection: { _tag: "TooLarge", message: "the store takes no commit so large" }
      })
      continue
    }
    bytes += decided.bytes
    const made: Array<Event> = []
    for (const { method, entity } of decided.decisions) {
      position += 1n
      time = circumstances.now > time ? circumstances.now : time + 1n
      const event: Event = {
        id: circumstances.newId(),
        position,
        time,
        method,
        entity,
        claims: job.claims,
        ...(key === undefined ? {} : { idempotency: key }),
        ...(job.traceparent === undefined ? {} : { traceparent: job.traceparent }),
        erased: false
      }
      const text = refText(entity)
      states.set(text, evolve(event))
      made.push(event)
      events.push(event)
    }
    if (key !== undefined) remembered.set(keyText(key.caller, key.key), made)
    outcomes.push({ _tag: "Done", events: made, replayed: false })
  }
  return { events, outcomes }
}

const decideJob = (
  job: Job,
  stateOf: (ref: Ref, text: string) => State | undefined
): { readonly decisions: ReadonlyArray<Decision>; readonly bytes: number } | Rejection => {
  const own = new Map<string, State>()
  const decisions: Array<Decision> = []
  let bytes = 0
  const claimsBytes = utf8BytesAtMost(jsonText(job.claims))
  for (const [i, command] of job.commands.entries()) {
    const text = refText(command.ref)
    const decision = decide(own.get(text) ?? stateOf(command.ref, text), command)
    if ("_tag" in decision) return job.parts ? within(`commands[${i}]`, decision) : decision
    own.set(text, { ...decision.entity, deleted: command.change._tag === "Del" })
    decisions.push(decision)
    bytes +=
      utf8BytesAtMost(jsonText(decision.entity.values)) + utf8BytesAtMost(text) + claimsBytes + eventOverheadBytes
  }
  if (job.parts && bytes > applyBytesMax) {
    return { _tag: "TooLarge", message: `the events of one Apply must be at most ${applyBytesMax} bytes; split it` }
  }
  return { decisions, bytes }
}
