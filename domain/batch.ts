import { type Command, type Decision, decide } from "./command.ts"
import { type Ref, refText, type State } from "./entity.ts"
import { type Event, evolve, type Idempotency } from "./event.ts"
import { type JsonObject, jsonText, utf8BytesAtMost } from "./json.ts"
import { applyBytesMax } from "./limits.ts"
import { type Rejection, within } from "./rejection.ts"

/** The commands of one call in one domain. They are done all or none. */
export interface Job {
  readonly domain: string
  readonly commands: ReadonlyArray<Command>
  /** Whether the commands are parts of an Apply, so that a rejection says which part it was. */
  readonly parts: boolean
  readonly claims: JsonObject
  readonly idempotency?: Idempotency
  /** Stored with the events, so that readers can continue the trace of the call. */
  readonly traceparent?: string
}

/** The end of a domain's log. */
export interface Head {
  readonly domain: string
  /** A random id of the log: distinguishes it from a log that replaces it. */
  readonly incarnation: string
  readonly position: bigint
  /** Time and id of the event there; 0 and "" when there is none. */
  readonly time: bigint
  readonly eventId: string
}

/** The state of a domain between two commits. */
export interface Snapshot {
  readonly position: bigint
  readonly time: bigint
  /** Id of the last event, "" when there is none. */
  readonly eventId: string
  readonly state: (ref: Ref) => State | undefined
  /** The events of the call with this idempotency key, in order; none if the key is unused. */
  readonly remembered: (caller: string, key: string) => ReadonlyArray<Event>
}

/** The outcome of a job. A deferred job did not fit and belongs to the next batch. */
export type Outcome =
  | { readonly _tag: "Done"; readonly events: ReadonlyArray<Event>; readonly replayed: boolean }
  | { readonly _tag: "Rejected"; readonly rejection: Rejection }
  | { readonly _tag: "Deferred" }

/** The inputs of a decision besides the snapshot and the jobs. Made anew for every attempt. */
export interface DecisionContext {
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

// Field names, ids and numbers of an event besides its names, values and claims; generous, so that a batch stays below
// the limit in every encoding.
const eventOverheadBytes = 512

/**
 * Decides jobs in order; each sees the effects of those before it. Pure, so that a store can decide again when something
 * was appended meanwhile.
 */
export const decideBatch = (snapshot: Snapshot, jobs: ReadonlyArray<Job>, context: DecisionContext): BatchDecision => {
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
      events.length + decided.decisions.length <= context.eventsMax && bytes + decided.bytes <= context.bytesMax
    if (!fits && events.length > 0) {
      full = true
      outcomes.push({ _tag: "Deferred" })
      continue
    }
    if (!fits) {
      outcomes.push({
        _tag: "Rejected",
        rejection: {
          _tag: "TooLarge",
          message: "the change exceeds the largest commit of the store; split it or make its values smaller"
        }
      })
      continue
    }
    bytes += decided.bytes
    const made: Array<Event> = []
    for (const { method, entity } of decided.decisions) {
      position += 1n
      time = context.now > time ? context.now : time + 1n
      const event: Event = {
        id: context.newId(),
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
