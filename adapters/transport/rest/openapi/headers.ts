import { callIdBytesMax, idempotencyKeyBytesMax } from "../../../../application/limits.ts"
import type { Answer, Parameter, Schema } from "../../openapi.ts"
import type { Route } from "../routes.ts"
import { isStream, isVersioned } from "./traits.ts"

const text: Schema = { type: "string" }
const digits: Schema = { type: "string", pattern: "^[0-9]{1,20}$" }

/** Headers of answers. */
const answered = {
  "x-request-id": [text, "The id of the call, under which the gateway's log has it."],
  etag: [{ type: "string", pattern: '^"[0-9]{1,20}"$' }, "The version of the entity, in quotes."],
  "stategate-version": [digits, "The version of the entity."],
  "stategate-position": [digits, "The place of the event in the log of its domain."],
  "stategate-time": [digits, "The time of the event, in nanoseconds since 1970."],
  "stategate-event-id": [{ type: "string", format: "uuid" }, "The id of the event."],
  "stategate-replayed": [
    { type: "string", enum: ["true"] },
    "The idempotency key was used before: this is the first outcome, and there is no second event."
  ],
  "stategate-cursor": [text, "The place where the stream starts."],
  "retry-after": [digits, "Seconds to wait."],
  "www-authenticate": [text, "Bearer."]
} as const satisfies Record<string, readonly [schema: Schema, description: string]>

export type Header = keyof typeof answered

export const headers = (...names: ReadonlyArray<Header>): Answer["headers"] =>
  Object.fromEntries(
    names.map((name) => {
      const [schema, description] = answered[name]
      return [name, { description, schema }]
    })
  )

/** The receipt of a change: of an Apply, that of its last event. */
export const receipt = [
  "etag",
  "stategate-version",
  "stategate-position",
  "stategate-time",
  "stategate-event-id",
  "stategate-replayed"
] as const satisfies ReadonlyArray<Header>

const header = (name: string, schema: Schema, description: string): Parameter => ({
  name,
  in: "header",
  description,
  schema
})

const idempotencyKey = header(
  "idempotency-key",
  { type: "string", pattern: "^[!-~]+$", maxLength: idempotencyKeyBytesMax },
  "Makes a retry safe: the same key in the same domain returns the first outcome."
)
const ifMatch = header(
  "if-match",
  text,
  'The version that the entity must have, in quotes, such as "3"; several are separated by commas. * is any, but one.'
)
const createOnly = header("if-none-match", { type: "string", enum: ["*"] }, "*: only if there is no such entity yet.")
const ifNoneMatch = header("if-none-match", text, "The etag of what you have; if it still is that, the answer is 304.")
const lastEventId = header(
  "last-event-id",
  text,
  "The cursor behind which to go on, before any other start. Browsers send it when they reconnect."
)
const requestId = header(
  "x-request-id",
  { type: "string", maxLength: callIdBytesMax },
  "An id for this call; it gets one without it."
)
const traceparent = header(
  "traceparent",
  text,
  "The W3C trace that this call is a part of. A change keeps it in its event."
)

/** The headers that mean something to a call. */
export const headerParameters = (route: Route): ReadonlyArray<Parameter> => [
  ...(route.method?.mutates ? [idempotencyKey] : []),
  ...(isVersioned(route) ? (route.method?.mutates ? [ifMatch, createOnly] : isStream(route) ? [] : [ifNoneMatch]) : []),
  ...(isStream(route) ? [lastEventId] : []),
  requestId,
  traceparent
]
