import type { PolicyInput } from "../../../application/ports/Policy.ts"
import { type Json, type JsonObject, jsonText } from "../../../domain/json.ts"

/** Headers that hold credentials, which are no business of a policy: its claims were verified already. */
const credentials: ReadonlySet<string> = new Set(["authorization", "proxy-authorization", "cookie", "set-cookie"])

/** The document `input` as JSON text. */
export const inputText = (
  { claims, method, metadata, clientStream, serverStream, tls, peer }: PolicyInput,
  body: Json
) =>
  `{"claims":${jsonText(claims)},"method":${JSON.stringify(method)},"metadata":${metadataText(metadata())},` +
  `"body":${bodyText(body)},"client_stream":${clientStream},"server_stream":${serverStream},` +
  `"tls":${tls === undefined ? "{}" : jsonText(tls)},"peer":${peer === undefined ? "{}" : jsonText(peer)}}`

const metadataText = (metadata: JsonObject): string => {
  const shown: Record<string, Json> = Object.create(null)
  for (const name of Object.keys(metadata)) {
    if (!credentials.has(name.toLowerCase())) shown[name] = metadata[name]!
  }
  return JSON.stringify(shown)
}

const bodyText = (body: Json): string =>
  typeof body === "object" && body !== null && !Array.isArray(body)
    ? jsonText(body as JsonObject)
    : JSON.stringify(body)

/** What a message is about, for the log: the names of an entity, as far as the message has them. */
export const refOf = (body: Json): { readonly domain?: string; readonly type?: string; readonly key?: string } => {
  const entity = field(body, "entity") ?? body
  return { ...named(entity, "domain"), ...named(entity, "type"), ...named(entity, "key") }
}

const field = (value: Json, name: string): Json | undefined =>
  typeof value === "object" && value !== null && !Array.isArray(value) && Object.hasOwn(value, name)
    ? (value as JsonObject)[name]
    : undefined

const named = (value: Json, name: string): Readonly<Record<string, string>> => {
  const text = field(value, name)
  return typeof text === "string" ? { [name]: text } : {}
}
