import { create } from "@bufbuild/protobuf"
import type { Entity } from "../../../domain/entity.ts"
import type { Event } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"
import * as pb from "../../../proto/gen/stategate/stategate_pb.js"

// protobuf-es wants objects that it may change; ours are never changed, by nobody.
type Struct = NonNullable<pb.Entity["values"]>
const struct = (values: JsonObject): Struct => values as unknown as Struct

/** What a Struct field holds, as the domain knows it. */
export const valuesOf = (values: Struct | undefined): JsonObject | undefined => values as JsonObject | undefined

export const entityMessage = ({ domain, type, key, values, version }: Entity): pb.Entity =>
  create(pb.EntitySchema, { domain, type, key, values: struct(values), version })

export const eventMessage = (event: Event, cursor = ""): pb.Event =>
  create(pb.EventSchema, {
    id: event.id,
    entity: entityMessage(event.entity),
    claims: struct(event.claims),
    time: event.time,
    method: event.method,
    position: event.position,
    cursor,
    requestId: event.idempotency?.key ?? "",
    erased: event.erased,
    traceParent: event.traceparent ?? ""
  })

export const eventsMessage = (events: ReadonlyArray<Event>): pb.Events =>
  create(pb.EventsSchema, { events: events.map((event) => eventMessage(event)) })

/** An event as streams send it, or word of where the stream stands, which has a cursor alone. */
export const streamMessage = ({ event, cursor }: { readonly event?: Event; readonly cursor: string }): pb.Event =>
  event === undefined ? create(pb.EventSchema, { cursor }) : eventMessage(event, cursor)
