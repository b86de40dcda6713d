import { type Answers, type EventJson, type Heads, Refused, type StateClient, type Values } from "./client.ts"
import { codeName } from "./connect.ts"

// REST as a person would write it with the documentation in hand: the routes are written out, not derived.

const ref = "/api/entity/ref/{domain}/{type}/{key}"

type Route = readonly [verb: string, path: string]

const routes: Readonly<Record<keyof Answers, Route>> = {
  "EntityService/Set": ["POST", ref],
  "EntityService/Edit": ["PATCH", ref],
  "EntityService/Revert": ["PUT", `${ref}/revert`],
  "EntityService/Get": ["GET", ref],
  "EntityService/Del": ["DELETE", ref],
  "EntityService/Search": ["GET", "/api/entity/search"],
  "EntityService/Apply": ["POST", "/api/entity/apply/{domain}"],
  "EventService/Search": ["GET", "/api/events/search"],
  "EventService/Get": ["GET", "/api/events/ref/{domain}/{type}/{key}/{id}"]
}

/** Fields of the path go into it; the rest goes into a body, or flat into the query. */
const requestOf = ([verb, template]: Route, message: Values, headers: Heads) => {
  const rest = { ...message }
  const path = template.replaceAll(/\{(\w+)\}/g, (_, name: string) => {
    const { [name]: value } = rest
    delete rest[name]
    return encodeURIComponent(String(value ?? ""))
  })
  if (["POST", "PATCH", "PUT"].includes(verb)) {
    const body = JSON.stringify(rest)
    return { path, init: { method: verb, body, headers: { ...headers, "content-type": "application/json" } } }
  }
  const flat = (value: unknown, name: string): ReadonlyArray<[string, string]> =>
    typeof value === "object" && value !== null
      ? Object.entries(value).flatMap(([inner, item]) => flat(item, name === "" ? inner : `${name}.${inner}`))
      : [[name, String(value)]]
  const query = new URLSearchParams(flat(rest, "").map(([name, value]) => [name, value])).toString()
  return { path: query === "" ? path : `${path}?${query}`, init: { method: verb, headers } }
}

const refused = (status: Values, headers: Heads): Refused =>
  new Refused(codeName(status["code"] as number), String(status["message"]), status["details"] as never, headers)

export interface RestStreams {
  /** `text/event-stream`, or lines of JSON when there is none. */
  readonly accept?: string
  readonly fetch?: typeof fetch
  readonly close?: () => void
}

export const restClient = (
  url: string,
  { accept, fetch = globalThis.fetch, close = () => {} }: RestStreams = {}
): StateClient => ({
  call: async (name, message, headers = {}) => {
    const { path, init } = requestOf(routes[name], message, headers)
    const response = await fetch(url + path, init)
    const heads = { ...Object.fromEntries(response.headers), ":status": String(response.status) }
    const body = (await response.json()) as Values
    if (!response.ok) throw refused(body, heads)
    return { message: body as never, headers: heads }
  },
  stream: async (message, headers = {}) => {
    const given = accept === undefined ? headers : { ...headers, accept }
    const { path, init } = requestOf(["GET", "/api/events/stream"], message, given)
    const left = new AbortController()
    const response = await fetch(url + path, { ...init, signal: left.signal })
    const heads = Object.fromEntries(response.headers)
    if (!response.ok) throw refused((await response.json()) as Values, heads)
    const items = (accept === "text/event-stream" ? frames : lines)(response.body!, heads)
    return { headers: heads, next: async () => (await items.next()).value ?? undefined, close: () => left.abort() }
  },
  close
})

async function* parts(body: ReadableStream<Uint8Array>, separator: string): AsyncGenerator<string, undefined> {
  let rest = ""
  const decoder = new TextDecoder()
  for await (const chunk of body) {
    const texts = (rest + decoder.decode(chunk, { stream: true })).split(separator)
    rest = texts.pop() ?? ""
    yield* texts
  }
  return undefined
}

async function* lines(body: ReadableStream<Uint8Array>, heads: Heads): AsyncGenerator<EventJson, undefined> {
  for await (const line of parts(body, "\n")) {
    const { result, error } = JSON.parse(line) as { readonly result?: EventJson; readonly error?: Values }
    if (error !== undefined) throw refused(error, heads)
    if (result?.id !== undefined) yield result
  }
  return undefined
}

async function* frames(body: ReadableStream<Uint8Array>, heads: Heads): AsyncGenerator<EventJson, undefined> {
  for await (const frame of parts(body, "\n\n")) {
    const field = (name: string) =>
      frame
        .split("\n")
        .find((line) => line.startsWith(`${name}: `))
        ?.slice(name.length + 2)
    const data = field("data")
    if (data === undefined) continue
    const json = JSON.parse(data) as EventJson & Values
    if (field("event") === "error") throw refused(json, heads)
    if (field("id") !== json.cursor) throw new Error("the id of a frame is the cursor of its event")
    yield json
  }
  return undefined
}
