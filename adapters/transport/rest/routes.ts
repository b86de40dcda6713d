import { type DescMethod, type DescService, getOption } from "@bufbuild/protobuf"
import { http } from "../../../proto/gen/google/api/annotations_pb.js"
import type { HttpRule } from "../../../proto/gen/google/api/http_pb.js"
import { EventService } from "../../../proto/gen/stategate/stategate_pb.js"
import { type Method, unaryMethods } from "../call/methods.ts"
import { fieldOf } from "./read.ts"
import { parseTemplate, type Segment } from "./template.ts"

/** How one HTTP method on one path becomes the request message of an RPC. */
export interface Binding {
  readonly verb: "GET" | "PUT" | "POST" | "DELETE" | "PATCH"
  readonly template: string
  readonly segments: ReadonlyArray<Segment>
  /** `*`: the body is the message; a name: it is that field; empty: there is none. */
  readonly body: string
}

export interface Route extends Binding {
  readonly rpc: DescMethod
  /** Such as `/stategate.EntityService/Set`. */
  readonly path: string
  /** How the pipeline serves it; undefined for the stream of events, which the gate knows by itself. */
  readonly method: Method | undefined
}

/**
 * The routes of services, from the google.api.http options of their methods. Throws on what it cannot serve as written,
 * so that a new RPC either gets its REST route or stops the gateway from starting.
 */
export const routesOf = (
  services: ReadonlyArray<DescService>,
  methods: ReadonlyArray<Method> = unaryMethods
): ReadonlyArray<Route> => {
  const routes = services.flatMap((service) =>
    service.methods.flatMap((rpc) => {
      const path = `/${service.typeName}/${rpc.name}`
      const method = methods.find((known) => known.path === path)
      const served =
        method !== undefined || (rpc === EventService.method.stream && rpc.methodKind === "server_streaming")
      if (!served) throw new Error(`${path} is in the proto, but the pipeline does not serve it`)
      const bindings = bindingsOf(getOption(rpc, http))
      if (bindings.length === 0) throw new Error(`${path} has no google.api.http option`)
      for (const binding of bindings) fits(binding, rpc)
      return bindings.map((binding): Route => ({ ...binding, rpc, path, method }))
    })
  )
  const shapes = new Set<string>()
  for (const { verb, segments, path } of routes) {
    const shape = `${verb} ${segments.map((segment) => ("literal" in segment ? segment.literal : "{}")).join("/")}`
    if (shapes.has(shape)) throw new Error(`${path} has the same route as another method: ${shape}`)
    shapes.add(shape)
  }
  return routes
}

/** What an option says, its additional bindings included. */
export const bindingsOf = (rule: HttpRule): ReadonlyArray<Binding> => {
  const { case: verb, value } = rule.pattern
  if (verb === undefined) return []
  if (verb === "custom") throw new Error("custom HTTP methods are not supported in google.api.http")
  if (rule.responseBody !== "") throw new Error(`response_body is not supported in google.api.http, as for ${value}`)
  const binding: Binding = {
    verb: verb.toUpperCase() as Binding["verb"],
    template: value,
    segments: parseTemplate(value),
    body: rule.body
  }
  return [binding, ...rule.additionalBindings.flatMap(bindingsOf)]
}

/** Throws unless the message has the fields that the binding speaks of, of kinds that fit there. */
const fits = ({ segments, body, template }: Binding, { input }: DescMethod): void => {
  for (const segment of segments) {
    if ("literal" in segment) continue
    const kind = fieldOf(input, segment.field)?.fieldKind
    if (kind !== "scalar") throw new Error(`${template} names ${segment.field}, no scalar field of ${input.typeName}`)
  }
  if (body !== "" && body !== "*" && fieldOf(input, body) === undefined) {
    throw new Error(`${template} has the body ${body}, no field of ${input.typeName}`)
  }
}
