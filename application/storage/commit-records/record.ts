import type { Event } from "../../../domain/event.ts"
import { type JsonObject, jsonText } from "../../../domain/json.ts"
import type { CommitRecord } from "./primitives.ts"

/** A commit as its record holds it. */
export interface Commit {
  readonly id: string
  readonly domain: string
  /** Made with the record of position 1 and copied by every later one, so that no two records can disagree. */
  readonly incarnation: string
  /** At least one, at consecutive positions. */
  readonly events: ReadonlyArray<Event>
}

/** The format that this version writes, and the only one that it reads. */
export const recordFormat = 1

interface EventJson extends Omit<Event, "position" | "time" | "entity"> {
  readonly position: string
  readonly time: string
  readonly type: string
  readonly key: string
  readonly version: string
  readonly values: JsonObject
}

export const recordOf = ({ id, domain, incarnation, events }: Commit): CommitRecord => ({
  domain,
  position: events[0]!.position,
  id,
  format: recordFormat,
  text: `{"incarnation":"${incarnation}","events":[${events.map(eventText).join(",")}]}`
})

/** The commit in a record; undefined if the record has the format of another version. */
export const commitOf = ({ id, domain, format, text }: CommitRecord): Commit | undefined => {
  if (format !== recordFormat) return undefined
  const { incarnation, events } = JSON.parse(text) as { incarnation: string; events: ReadonlyArray<EventJson> }
  return { id, domain, incarnation, events: events.map((event) => eventOf(domain, event)) }
}

/** An event as text. Integers are strings in it, since JSON would round them; values and claims stay as they are. */
export const eventText = ({ position, time, entity, claims, ...rest }: Event): string => {
  const { type, key, version, values } = entity
  const small = { ...rest, position: `${position}`, time: `${time}`, type, key, version: `${version}` }
  return `${JSON.stringify(small).slice(0, -1)},"values":${jsonText(values)},"claims":${jsonText(claims)}}`
}

/** The event of a domain that `eventText` wrote. */
export const eventFrom = (domain: string, text: string): Event => eventOf(domain, JSON.parse(text) as EventJson)

const eventOf = (domain: string, { position, time, type, key, version, values, ...rest }: EventJson): Event => ({
  ...rest,
  position: BigInt(position),
  time: BigInt(time),
  entity: { domain, type, key, version: BigInt(version), values }
})
