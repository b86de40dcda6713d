import type { DescService } from "@bufbuild/protobuf"
import { reconnectMs } from "../../../../application/limits.ts"
import { EntityService, EventService } from "../../../../proto/gen/stategate/stategate_pb.js"
import type { Answer, OpenApi, Operation, Schema, Verb } from "../../openapi.ts"
import { fieldOf } from "../read.ts"
import { type Route, routesOf } from "../routes.ts"
import { failuresOf, statusSchema } from "./failures.ts"
import { headerParameters, headers, receipt } from "./headers.ts"
import { fieldParameters, fieldsInPath } from "./parameters.ts"
import { commentOn, Schemas } from "./schema.ts"
import { isStream, isVersioned } from "./traits.ts"

const about = `Application state behind one API. Every change is an event: durable, in order, for ever.

64-bit integers are strings in JSON; requests may also send numbers that are exact. Times are nanoseconds since 1970. \
Fields that are empty, 0 or false are left out of answers. Requests may write a field's name as it is here or as the \
proto has it, such as queryString or query_string; unknown ones are refused. In paths and queries, values are \
percent-encoded; %2F is a slash within a name.`

export interface Described {
  readonly version: string
  readonly authDisabled: boolean
}

/** The REST API of services as an OpenAPI document, from the descriptors that its routes are made of. */
export const openApi = (
  { version, authDisabled }: Described,
  services: ReadonlyArray<DescService> = [EntityService, EventService],
  routes: ReadonlyArray<Route> = routesOf(services)
): OpenApi => {
  const schemas = new Schemas()
  const status = schemas.add("Status", statusSchema)
  const paths: Record<string, Partial<Record<Verb, Operation>>> = {}
  const ids = new Map<string, number>()
  for (const route of routes) {
    const id = `${route.rpc.parent.name}_${route.rpc.name}`
    const count = (ids.get(id) ?? 0) + 1
    ids.set(id, count)
    const path = `/${route.segments.map((s) => ("literal" in s ? s.literal : `{${nameIn(route, s.field)}}`)).join("/")}`
    paths[path] = {
      ...paths[path],
      // A second binding of the same RPC is an operation of its own.
      [route.verb.toLowerCase()]: operation(schemas, status, route, count === 1 ? id : `${id}_${count}`)
    }
  }
  return {
    openapi: "3.1.1",
    info: {
      title: "stategate",
      version,
      description: about,
      license: { name: "Apache License 2.0", identifier: "Apache-2.0" }
    },
    servers: [{ url: "/" }],
    tags: services.map(({ name, typeName }) => ({ name, description: commentOn(typeName) })),
    security: authDisabled ? [] : [{ bearer: [] }],
    paths,
    components: {
      securitySchemes: authDisabled ? {} : { bearer: { type: "http", scheme: "bearer", bearerFormat: "JWT" } },
      schemas: schemas.all()
    }
  }
}

const nameIn = ({ rpc }: Route, field: string): string => fieldOf(rpc.input, field)!.name

const operation = (schemas: Schemas, status: Schema, route: Route, operationId: string): Operation => {
  const { rpc } = route
  const body = bodyOf(schemas, route)
  const success = isStream(route) ? streamed(schemas, status, route) : answered(schemas, route)
  const unchanged = !route.method?.mutates && !isStream(route) && isVersioned(route)
  return {
    operationId,
    tags: [rpc.parent.name],
    summary: rpc.name,
    description: [`${rpc.parent.typeName}.${rpc.name}`, ...(route.body === "*" ? [] : [rpc.input.typeName])]
      .map(commentOn)
      .join("\n\n")
      .trim(),
    parameters: [...fieldParameters(schemas, route), ...headerParameters(route)],
    ...(body === undefined
      ? {}
      : { requestBody: { required: true, content: { "application/json": { schema: body } } } }),
    responses: Object.fromEntries([
      ["200", success],
      ...(unchanged ? [["304", notModified] as const] : []),
      ...failuresOf(route, status)
    ])
  }
}

const bodyOf = (schemas: Schemas, route: Route): Schema | undefined => {
  const { input } = route.rpc
  if (route.body === "") return undefined
  if (route.body !== "*") return schemas.field(fieldOf(input, route.body)!)
  const inPath = fieldsInPath(route)
  return inPath.size === 0 ? schemas.message(input) : schemas.object(input, inPath)
}

const notModified: Answer = {
  description: "It still is what you have.",
  headers: headers("x-request-id", "etag")
}

const answered = (schemas: Schemas, route: Route): Answer => ({
  description: route.method?.mutates
    ? "It is done, and durable. The receipt is in the headers."
    : "What was asked for.",
  headers: headers(
    "x-request-id",
    ...(route.method?.mutates ? receipt : isVersioned(route) ? (["etag"] as const) : [])
  ),
  content: { "application/json": { schema: schemas.message(route.rpc.output) } }
})

const streamed = (schemas: Schemas, status: Schema, { rpc }: Route): Answer => {
  const result = schemas.message(rpc.output)
  const line = schemas.add(`${rpc.output.name}Line`, {
    description: "One line of a stream as NDJSON. An error is the last one.",
    oneOf: [
      { type: "object", required: ["result"], properties: { result }, additionalProperties: false },
      { type: "object", required: ["error"], properties: { error: status }, additionalProperties: false }
    ]
  })
  return {
    description:
      "The stream has started, and goes on until one of the two leaves. `accept: text/event-stream` asks for " +
      "server-sent events; else each line is a JSON text.",
    headers: headers("x-request-id", "stategate-cursor"),
    content: {
      "application/x-ndjson": { schema: line },
      "text/event-stream": {
        schema: {
          type: "string",
          description:
            `The data of each message is the JSON of ${rpc.output.name}, and its id is the cursor. A message with an ` +
            "id alone says how far the stream has come. The event error carries a Status and is the last one."
        },
        example: `retry: ${reconnectMs}\nid: AQ…\n\nid: AQ…\ndata: {"id":"…","position":"1"}\n\n`
      }
    }
  }
}
