// The messages of a stream, written by hand: each goes out to every reader, and a replay is nothing but these.

import type { Event } from "../../../domain/event.ts"
import type { Json, JsonObject } from "../../../domain/json.ts"
import type { StreamItem } from "../call/pipeline.ts"
import { WireWriter } from "./wire-writer.ts"

// The tag of a field is its number and how its value is written: 0 for whole numbers, 2 for what has a length.
const bytesField = (number: number): number => (number << 3) | 2
const varintField = (number: number): number => number << 3

const event = {
  id: bytesField(1),
  entity: bytesField(2),
  claims: bytesField(3),
  time: varintField(4),
  method: bytesField(5),
  position: varintField(6),
  cursor: bytesField(7),
  requestId: bytesField(8),
  erased: varintField(9),
  traceParent: bytesField(10)
}
const entity = {
  domain: bytesField(1),
  type: bytesField(2),
  key: bytesField(3),
  values: bytesField(4),
  version: varintField(5)
}
const struct = { fields: bytesField(1), key: bytesField(1), value: bytesField(2) }
const value = {
  null: varintField(1),
  number: (2 << 3) | 1,
  text: bytesField(3),
  bool: varintField(4),
  struct: bytesField(5),
  list: bytesField(6)
}
const listValues = bytesField(1)

/** The items as the body of a gRPC stream, one message each. */
export const streamFrames = (items: ReadonlyArray<StreamItem>): Buffer => {
  const out = new WireWriter(Math.min(items.length, eventsAtFirst) * bytesOfEvent)
  for (const item of items) {
    const frame = out.openFrame()
    if (item.event === undefined) out.text(event.cursor, item.cursor)
    else writeEvent(out, item.event, item.cursor)
    out.closeFrame(frame)
  }
  return out.take()
}

// A first guess; the buffer grows by itself.
const eventsAtFirst = 1_000
const bytesOfEvent = 512

const writeEvent = (out: WireWriter, made: Event, cursor: string): void => {
  out.text(event.id, made.id)
  const body = out.open(event.entity)
  const { domain, type, key, values, version } = made.entity
  out.text(entity.domain, domain)
  out.text(entity.type, type)
  out.text(entity.key, key)
  writeStruct(out, entity.values, values)
  out.uint(entity.version, version)
  out.close(body)
  writeStruct(out, event.claims, made.claims)
  out.uint(event.time, made.time)
  out.text(event.method, made.method)
  out.uint(event.position, made.position)
  out.text(event.cursor, cursor)
  out.text(event.requestId, made.idempotency?.key ?? "")
  if (made.erased) out.bool(event.erased, true)
  out.text(event.traceParent, made.traceparent ?? "")
}

const writeStruct = (out: WireWriter, tag: number, object: JsonObject): void => {
  const body = out.open(tag)
  for (const name in object) {
    const field = out.open(struct.fields)
    out.textAlways(struct.key, name)
    const held = out.open(struct.value)
    writeValue(out, object[name]!)
    out.close(held)
    out.close(field)
  }
  out.close(body)
}

const writeValue = (out: WireWriter, json: Json): void => {
  if (typeof json === "string") out.textAlways(value.text, json)
  else if (typeof json === "number") out.double(value.number, json)
  else if (typeof json === "boolean") out.bool(value.bool, json)
  else if (json === null) out.bool(value.null, false)
  else if (!Array.isArray(json)) writeStruct(out, value.struct, json as JsonObject)
  else {
    const list = out.open(value.list)
    for (const element of json) {
      const held = out.open(listValues)
      writeValue(out, element)
      out.close(held)
    }
    out.close(list)
  }
}
