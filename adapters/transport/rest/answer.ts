import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf"
import { Code } from "@connectrpc/connect"
import type { JsonObject } from "../../../domain/json.ts"
import { versionsIn } from "../call/checks.ts"
import type { Reply } from "../call/methods.ts"
import type { WireStatus } from "../call/status.ts"
import { statusJson } from "../call/status-json.ts"

/** A message as proto JSON, but for its empty lists, which are there: a page without items is still a page. */
export const messageJson = (desc: DescMessage, message: MessageShape<DescMessage>): JsonObject => {
  const json: Record<string, unknown> = {}
  for (const field of desc.fields) if (field.fieldKind === "list") json[field.jsonName] = []
  return Object.assign(json, toJson(desc, message)) as JsonObject
}

/** What a read answers; it may be kept by its caller alone, and asked about before it is used again. */
export const readAnswer = (desc: DescMessage, { message, headers }: Reply, noneMatch: string | null): Response => {
  const all = { ...headers, "cache-control": "private, no-cache" }
  if (headers.etag !== undefined && noneMatch !== null && isAmong(headers.etag, noneMatch)) {
    return new Response(null, { status: 304, headers: all })
  }
  return jsonAnswer(200, messageJson(desc, message), all)
}

const isAmong = (etag: string, tags: string): boolean =>
  tags.trim() === "*" || versionsIn(tags).some((version) => `"${version}"` === etag)

/** What a change answers: the receipt is in the headers. */
export const changeAnswer = (desc: DescMessage, { message, headers }: Reply): Response =>
  jsonAnswer(200, messageJson(desc, message), { ...headers, "cache-control": "no-store" })

/** A failure. One that a precondition in a header brought about has a status of its own in HTTP. */
export const failureAnswer = (status: WireStatus, request: Headers, more: Record<string, string> = {}): Response => {
  const conditional = request.has("if-match") || request.has("if-none-match")
  return jsonAnswer(status.code === Code.Aborted && conditional ? 412 : status.http, statusJson(status), {
    ...status.headers,
    ...more,
    "cache-control": "no-store"
  })
}

const jsonAnswer = (status: number, json: JsonObject, headers: Record<string, string>): Response =>
  new Response(JSON.stringify(json), { status, headers: { ...headers, "content-type": "application/json" } })
