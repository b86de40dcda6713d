import type { DescField, DescMessage, Message } from "@bufbuild/protobuf"
import { isArray, type Json, type JsonObject } from "../../../domain/json.ts"
import type { Checks } from "../call/checks.ts"
import { partsOf } from "../http/target.ts"
import { fieldOf, isFull, jsonOf, put, quoted, readMessage } from "./read.ts"
import type { Route } from "./routes.ts"

const malformed = "must be percent-encoded UTF-8"

/** The request message of a call, from its path, its query and its body. What is wrong goes to the checks. */
export const messageOf = (checks: Checks, route: Route, target: string, body: Json | undefined): Message => {
  const { input } = route.rpc
  const { path, query } = partsOf(target)
  const json: JsonObject =
    route.body === "*" ? wholeBody(checks, body) : route.body === "" || body === undefined ? {} : { [route.body]: body }
  const message = readMessage(checks, input, { ...json, ...fromQuery(checks, route, query) })
  fromPath(checks, route, path, message)
  return message
}

const wholeBody = (checks: Checks, body: Json | undefined): JsonObject => {
  if (body === undefined) return {}
  if (typeof body === "object" && body !== null && !isArray(body)) return body
  checks.add("body", "must be a JSON object")
  return {}
}

/**
 * Decodes strictly. Neither the URL class nor a router does: both let malformed text pass, and one key would then stand
 * for another.
 */
const decoded = (text: string): string | undefined => {
  try {
    return decodeURIComponent(text)
  } catch {
    return undefined
  }
}

/** Segments are taken apart before they are decoded, so that a slash may be a part of a key, as `%2F`. */
const fromPath = (checks: Checks, { rpc, segments }: Route, path: string, message: Message): void => {
  const texts = path.slice(1).split("/")
  for (const [i, segment] of segments.entries()) {
    if ("literal" in segment) continue
    const field = fieldOf(rpc.input, segment.field)!
    const text = decoded(texts[i] ?? "")
    if (text === undefined) {
      checks.add(field.name, malformed)
      continue
    }
    const value = valueIn(readMessage(checks, rpc.input, { [field.name]: jsonOf(field, text) }), field)
    const given = valueIn(message, field)
    // An empty text or a 0 is what is not set.
    if (given && given !== value) checks.add(field.name, "must be the same as in the path")
    put(message, field, value)
  }
}

const valueIn = (message: Message, { oneof, localName }: DescField): unknown => {
  if (oneof === undefined) return (message as unknown as Record<string, unknown>)[localName]
  const chosen = (message as unknown as Record<string, { readonly case?: string; readonly value?: unknown }>)[
    oneof.localName
  ]
  return chosen?.case === localName ? chosen.value : undefined
}

/** The parameters of a query as JSON, by the fields that they name. */
const fromQuery = (checks: Checks, { rpc, body }: Route, query: string): JsonObject => {
  const json: Record<string, Json> = {}
  for (const pair of query.split("&")) {
    if (pair === "" || isFull(checks)) continue
    const [rawName = "", ...rest] = pair.replaceAll("+", " ").split("=")
    const name = decoded(rawName)
    const text = decoded(rest.join("="))
    if (name === undefined) checks.add(quoted(rawName), malformed)
    else if (body === "*") checks.add(quoted(name), "must be in the body: this call has no query parameters")
    else if (body !== "" && isPartOf(rpc.input, body, name)) checks.add(quoted(name), "must be in the body")
    else add(checks, rpc.input, json, name, text)
  }
  return json
}

const isPartOf = (desc: DescMessage, body: string, name: string): boolean =>
  fieldOf(desc, name.split(".")[0]!) === fieldOf(desc, body)

const add = (
  checks: Checks,
  desc: DescMessage,
  json: Record<string, Json>,
  name: string,
  text: string | undefined
): void => {
  const [first = "", ...nested] = name.split(".")
  const field = fieldOf(desc, first)
  if (field === undefined) {
    checks.add(quoted(first), "is unknown")
  } else if (field.fieldKind === "message" && nested.length > 0) {
    const inner = (json[field.name] ?? {}) as Record<string, Json>
    json[field.name] = inner
    add(checks.part(field.name), field.message, inner, nested.join("."), text)
  } else if (nested.length > 0) {
    checks.add(quoted(name), "is unknown")
  } else if (text === undefined) {
    checks.add(field.name, malformed)
  } else if (field.fieldKind === "list" && field.listKind !== "message") {
    json[field.name] = [...((json[field.name] ?? []) as ReadonlyArray<Json>), jsonOf(field, text)]
  } else if (field.fieldKind !== "scalar" && field.fieldKind !== "enum") {
    checks.add(field.name, "cannot be a query parameter by itself")
  } else if (json[field.name] !== undefined) {
    checks.add(field.name, "must not be given twice")
  } else {
    json[field.name] = jsonOf(field, text)
  }
}
