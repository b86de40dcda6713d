import { newIncarnation } from "../../../application/incarnation.ts"
import type { Unit } from "../../../application/ports/EventStore.ts"
import type { Head, Snapshot } from "../../../domain/batch.ts"
import { type Ref, refText } from "../../../domain/entity.ts"
import { type Event, methods } from "../../../domain/event.ts"
import { jsonText } from "../../../domain/json.ts"
import type { Open } from "./connection.ts"
import { type DomainRow, type EntityRow, type EventRow, eventOf, headOf, stateOf } from "./rows.ts"
import type { Statements } from "./statements.ts"

/** Decides and writes the units inside the transaction that is open. */
export const commitUnits = ({ statements }: Open, units: ReadonlyArray<Unit>): ReadonlyArray<Head> => {
  const last = statements.lastMoved.get() as unknown as { readonly moved: bigint }
  return units.map((unit, i) => commitUnit(statements, unit, last.moved + BigInt(i) + 1n))
}

/** Whether the commit that made these heads is in the file. */
export const holds = ({ statements }: Open, heads: ReadonlyArray<Head>): boolean =>
  heads.every(({ domain, eventId }) => {
    const row = statements.domain.get(domain) as DomainRow | undefined
    return eventId === "" || row?.event_id === eventId
  })

const commitUnit = (statements: Statements, unit: Unit, moved: bigint): Head => {
  const row = statements.domain.get(unit.domain) as DomainRow | undefined
  const events = unit.decide(snapshotOf(statements, unit.domain, row))
  const last = events.at(-1)
  if (last === undefined) {
    return row === undefined ? { ...newHead(unit.domain), position: 0n, time: 0n, eventId: "" } : headOf(row)
  }
  const head = row === undefined ? newHead(unit.domain, unit.incarnation) : headOf(row)
  const id = row === undefined ? addDomain(statements, head) : row.id
  // Of several events of one entity only the last state is kept, so only that is written.
  const changed = new Map<string, Event>()
  for (const event of events) {
    addEvent(statements, id, event)
    changed.set(refText(event.entity), event)
  }
  for (const { entity, method } of changed.values()) {
    const { type, key, version, values } = entity
    statements.putEntity.run(id, type, key, version, method === methods.del ? 1 : 0, jsonText(values))
  }
  statements.moveDomain.run(last.position, last.time, last.id, moved, id)
  return { ...head, position: last.position, time: last.time, eventId: last.id }
}

const snapshotOf = (statements: Statements, domain: string, row: DomainRow | undefined): Snapshot => {
  if (row === undefined) return { position: 0n, time: 0n, state: () => undefined, remembered: () => [] }
  return {
    position: row.position,
    time: row.time,
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

const newHead = (domain: string, incarnation = newIncarnation()): Head => ({
  domain,
  incarnation,
  first: 1n,
  position: 0n,
  time: 0n,
  eventId: ""
})

const addDomain = (statements: Statements, { domain, incarnation }: Head): bigint =>
  (statements.addDomain.get(domain, incarnation) as unknown as { readonly id: bigint }).id

const addEvent = (statements: Statements, domain: bigint, event: Event): void => {
  const { type, key, version, values } = event.entity
  statements.addEvent.run(
    domain,
    event.position,
    event.id,
    event.time,
    event.method,
    type,
    key,
    version,
    jsonText(values),
    jsonText(event.claims),
    event.idempotency?.caller ?? null,
    event.idempotency?.key ?? null,
    event.idempotency?.hash ?? null,
    event.traceparent ?? null,
    event.erased ? 1 : 0
  )
}
