import type { Batch } from "../../../application/ports/EventStore.ts"
import { emptyHead } from "../../../application/storage/heads.ts"
import type { Head, Snapshot } from "../../../domain/batch.ts"
import { type Ref, refText } from "../../../domain/entity.ts"
import { type Event, methods } from "../../../domain/event.ts"
import { jsonText } from "../../../domain/json.ts"
import type { Open } from "./connection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, headOf, stateOf } from "./rows.ts"
import { putEntity, type Reads, type Step } from "./statements.ts"

/** A commit that is decided: the heads that it makes, in the order of its batches, and how. No steps if nothing changes. */
export interface Decided {
  readonly heads: ReadonlyArray<Head>
  readonly steps: ReadonlyArray<Step>
}

/** Decides the batches on the file as it is. Nothing may be written before the steps are. */
export const decideUnits = ({ statements }: Open, batches: ReadonlyArray<Batch>): Decided => {
  const last = statements.last.get() as unknown as { readonly moved: bigint; readonly id: bigint }
  const steps: Array<Step> = []
  const heads = batches.map((batch, i) => decideUnit(statements, batch, steps, BigInt(i) + 1n, last))
  return { heads, steps }
}

const decideUnit = (
  statements: Reads,
  batch: Batch,
  steps: Array<Step>,
  nth: bigint,
  last: { readonly moved: bigint; readonly id: bigint }
): Head => {
  const row = statements.domain.get(batch.domain) as DomainRow | undefined
  const events = batch.decide(snapshotOf(statements, batch.domain, row))
  const head = row === undefined ? emptyHead(batch.domain, batch.incarnation) : headOf(row)
  const end = events.at(-1)
  if (end === undefined) return head
  const id = row?.id ?? last.id + nth
  if (row === undefined) steps.push(["addDomain", id, head.domain, head.incarnation])
  // Of several events of one entity only the last state is kept, so only that is written.
  const changed = new Map<string, Step>()
  for (const event of events) {
    const text = jsonText(event.entity.values)
    steps.push(["addEvent", id, ...eventParams(event, text)])
    changed.set(refText(event.entity), putEntity(id, event.entity, event.method === methods.del, text))
  }
  steps.push(...changed.values())
  steps.push(["moveDomain", end.position, end.time, end.id, last.moved + nth, id, head.position])
  return { ...head, position: end.position, time: end.time, eventId: end.id }
}

const snapshotOf = (statements: Reads, domain: string, row: DomainRow | undefined): Snapshot => {
  if (row === undefined) {
    return { position: 0n, time: 0n, eventId: "", state: () => undefined, remembered: () => [] }
  }
  return {
    position: row.position,
    time: row.time,
    eventId: row.event_id,
    state: ({ type, key }: Ref) => {
      const entity = statements.entity.get(row.id, type, key) as EntityRow | undefined
      return entity === undefined ? undefined : stateOf(domain, entity)
    },
    remembered: (caller, key) => {
      const events = statements.remembered.all(row.id, caller, key) as unknown as ReadonlyArray<EventRow>
      return events.map((event) => eventOf(domain, event))
    }
  }
}

const eventParams = ({ id, position, time, method, entity, claims, ...rest }: Event, values: string) =>
  [
    position,
    id,
    time,
    method,
    entity.type,
    entity.key,
    entity.version,
    values,
    jsonText(claims),
    rest.idempotency?.caller ?? null,
    rest.idempotency?.key ?? null,
    rest.idempotency?.hash ?? null,
    rest.traceparent ?? null,
    rest.erased ? 1 : 0
  ] as const
