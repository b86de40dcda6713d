import { create, type DescService, setExtension } from "@bufbuild/protobuf"
import { MethodOptionsSchema } from "@bufbuild/protobuf/wkt"
import { describe, expect, it } from "vitest"
import { Checks } from "../../../adapters/transport/call/checks.ts"
import { unaryMethods } from "../../../adapters/transport/call/methods.ts"
import { messageOf } from "../../../adapters/transport/rest/bind.ts"
import { bindingsOf, type Route, routesOf } from "../../../adapters/transport/rest/routes.ts"
import { parseTemplate } from "../../../adapters/transport/rest/template.ts"
import { http } from "../../../proto/gen/google/api/annotations_pb.js"
import { type HttpRule, HttpRuleSchema } from "../../../proto/gen/google/api/http_pb.js"
import { EntityService, EventService } from "../../../proto/gen/stategate/stategate_pb.js"

describe("path templates", () => {
  it("know literals and fields of one segment", () => {
    expect(parseTemplate("/api/v1.0/{domain}/{key=*}/revert")).toEqual([
      { literal: "api" },
      { literal: "v1.0" },
      { field: "domain" },
      { field: "key" },
      { literal: "revert" }
    ])
  })

  it.each([
    "api/{key}",
    "/api/{key=**}",
    "/api/**",
    "/api/*",
    "/api/{key=shops/*}",
    "/api/{key=shops/*}/x",
    "/api/{entity.key}",
    "/api/{key}:revert",
    "/api/{key}/{key}",
    "/api/{}",
    "/api/{key",
    "/api//x",
    "/api/",
    "/api/a b"
  ])("refuse %s at start", (template) => {
    expect(() => parseTemplate(template)).toThrow(/^the path template /)
  })
})

describe("bindings", () => {
  it("are the option's own and the additional ones", () => {
    const rule = create(HttpRuleSchema, {
      pattern: { case: "put", value: "/a/{key}" },
      body: "*",
      additionalBindings: [{ pattern: { case: "get", value: "/b/{key}" } }]
    })
    expect(bindingsOf(rule).map(({ verb, template, body }) => [verb, template, body])).toEqual([
      ["PUT", "/a/{key}", "*"],
      ["GET", "/b/{key}", ""]
    ])
  })

  it("that cannot be served as written are refused at start", () => {
    const custom = create(HttpRuleSchema, { pattern: { case: "custom", value: { kind: "HEAD", path: "/a" } } })
    const response = create(HttpRuleSchema, { pattern: { case: "get", value: "/a" }, responseBody: "values" })
    expect(() => bindingsOf(custom)).toThrow("custom")
    expect(() => bindingsOf(response)).toThrow("response_body")
  })
})

describe("routes", () => {
  it("are those of the proto, all of them", () => {
    const routes = routesOf([EntityService, EventService]).map(({ verb, template, rpc }) => [verb, template, rpc.name])
    expect(routes).toEqual([
      ["POST", "/api/entity/ref/{domain}/{type}/{key}", "Set"],
      ["PATCH", "/api/entity/ref/{domain}/{type}/{key}", "Edit"],
      ["PUT", "/api/entity/ref/{domain}/{type}/{key}/revert", "Revert"],
      ["GET", "/api/entity/ref/{domain}/{type}/{key}", "Get"],
      ["DELETE", "/api/entity/ref/{domain}/{type}/{key}", "Del"],
      ["GET", "/api/entity/search", "Search"],
      ["POST", "/api/entity/apply/{domain}", "Apply"],
      ["GET", "/api/events/stream", "Stream"],
      ["GET", "/api/events/search", "Search"],
      ["GET", "/api/events/ref/{domain}/{type}/{key}/{id}", "Get"]
    ])
  })

  it("of an RPC that the pipeline does not know are noticed at start", () => {
    const without = unaryMethods.filter(({ path }) => !path.endsWith("EntityService/Apply"))
    expect(() => routesOf([EntityService], without)).toThrow("/stategate.EntityService/Apply is in the proto")
    const streaming = { ...EventService.method.stream, methodKind: "bidi_streaming" }
    const service = { ...EventService, methods: [streaming] } as unknown as DescService
    expect(() => routesOf([service])).toThrow("/stategate.EventService/Stream is in the proto")
  })

  it("that speak of fields which are not there, or do not fit, are noticed at start", () => {
    const ruled = (value: string, body: string) => {
      const { set } = EntityService.method
      const options = create(MethodOptionsSchema)
      setExtension(options, http, create(HttpRuleSchema, { pattern: { case: "post", value }, body }))
      const method = { ...set, proto: { ...set.proto, options } }
      return () => routesOf([{ ...EntityService, methods: [method] } as unknown as DescService])
    }
    expect(ruled("/a/{key}", "values")).not.toThrow()
    expect(ruled("/a/{nothing}", "*")).toThrow("/a/{nothing} names nothing, no scalar field of stategate.Entity")
    expect(ruled("/a/{values}", "*")).toThrow("/a/{values} names values, no scalar field of stategate.Entity")
    expect(ruled("/a", "nothing")).toThrow("/a has the body nothing, no field of stategate.Entity")
    const silent = { ...EntityService.method.set, proto: { ...EntityService.method.set.proto, options: undefined } }
    const service = { ...EntityService, methods: [silent] } as unknown as DescService
    expect(() => routesOf([service])).toThrow("no google.api.http option")
  })

  it("that two methods would share are noticed at start", () => {
    expect(() => routesOf([EntityService, EntityService])).toThrow("the same route")
  })
})

describe("a message from a path, a query and a body", () => {
  const route = (init: { pattern: HttpRule["pattern"]; body?: string }): Route => {
    const [binding] = bindingsOf(create(HttpRuleSchema, init as never))
    const path = "/stategate.EntityService/Set"
    return { ...binding!, rpc: EntityService.method.set, path, method: undefined }
  }
  const read = (on: Route, url: string, body?: unknown) => {
    const checks = new Checks()
    const { $typeName: _, ...message } = messageOf(checks, on, url, body as never)
    return { message, violations: checks.violations }
  }

  it("a body that is one field leaves the others to the query", () => {
    const values = route({ pattern: { case: "post", value: "/e/{domain}" }, body: "values" })
    expect(read(values, "/e/shop?type=user&key=a%2Bb+c&version=18446744073709551615", { n: 1 })).toEqual({
      message: { domain: "shop", type: "user", key: "a+b c", version: 18446744073709551615n, values: { n: 1 } },
      violations: []
    })
    expect(read(values, "/e/shop?values=1", {}).violations).toEqual([{ field: "values", rule: "must be in the body" }])
    expect(read(values, "/e/shop").message).toEqual({ domain: "shop", type: "", key: "", version: 0n })
  })

  it("a number in a path is read as one", () => {
    const numbered = route({ pattern: { case: "get", value: "/e/{version}" } })
    expect(read(numbered, "/e/7").message).toMatchObject({ version: 7n })
    expect(read(numbered, "/e/x").violations.map(({ field }) => field)).toEqual(["version"])
  })
})
