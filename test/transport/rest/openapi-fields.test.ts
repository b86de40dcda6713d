import { createFileRegistry, fromJson, type JsonObject } from "@bufbuild/protobuf"
import { FileDescriptorProtoSchema, file_google_protobuf_struct } from "@bufbuild/protobuf/wkt"
import { assert, describe, test } from "vitest"
import type { Schema } from "../../../adapters/transport/openapi.ts"
import { openApi } from "../../../adapters/transport/rest/openapi/document.ts"
import { Schemas } from "../../../adapters/transport/rest/openapi/schema.ts"
import { bindingsOf, type Route } from "../../../adapters/transport/rest/routes.ts"
import { HttpRuleSchema } from "../../../proto/gen/google/api/http_pb.js"

// Shapes that the proto does not have yet, so that the RPC which brings them finds its description right.

const field = (name: string, number: number, type: string, more: JsonObject = {}): JsonObject => ({
  name,
  number,
  jsonName: name.replaceAll(/_(.)/g, (_, letter: string) => letter.toUpperCase()),
  type: `TYPE_${type}`,
  label: "LABEL_OPTIONAL",
  ...more
})
const list = { label: "LABEL_REPEATED" }
const item = {
  name: "Item",
  field: [
    field("number", 1, "SINT64"),
    field("names", 2, "STRING", list),
    field("self", 3, "MESSAGE", { typeName: ".shop.Item" })
  ]
}
const order = {
  name: "Order",
  field: [
    field("id", 1, "STRING"),
    field("state", 2, "ENUM", { typeName: ".shop.State" }),
    field("tags", 3, "UINT64", list),
    field("first_item", 4, "MESSAGE", { typeName: ".shop.Item" }),
    field("items", 5, "MESSAGE", { typeName: ".shop.Item", ...list }),
    field("more", 6, "MESSAGE", { typeName: ".google.protobuf.Struct" }),
    field("prices", 7, "MESSAGE", { typeName: ".shop.Order.PricesEntry", ...list }),
    field("raw", 8, "BYTES"),
    field("email", 9, "STRING", { oneofIndex: 0 }),
    field("phone", 10, "STRING", { oneofIndex: 0 })
  ],
  oneofDecl: [{ name: "contact" }],
  nestedType: [
    {
      name: "PricesEntry",
      field: [field("key", 1, "STRING"), field("value", 2, "DOUBLE")],
      options: { mapEntry: true }
    }
  ]
}
const file = fromJson(FileDescriptorProtoSchema, {
  name: "shop.proto",
  package: "shop",
  syntax: "proto3",
  dependency: ["google/protobuf/struct.proto"],
  messageType: [order, item],
  enumType: [{ name: "State", value: [{ name: "OPEN" }, { name: "PAID", number: 1 }] }],
  service: [{ name: "Shop", method: [{ name: "Find", inputType: ".shop.Order", outputType: ".shop.Item" }] }]
})
const registry = createFileRegistry(file, () => file_google_protobuf_struct)
const service = registry.getService("shop.Shop")!
const rpc = service.methods[0]!

const routes = (rule: JsonObject) =>
  bindingsOf(fromJson(HttpRuleSchema, rule)).map(
    (binding): Route => ({ ...binding, rpc, path: "/shop.Shop/Find", method: undefined })
  )
const described = (rule: JsonObject) => openApi({ version: "1", authDisabled: true }, [service], routes(rule))
const fieldsIn = (place: string, rule: JsonObject) =>
  Object.values(described(rule).paths).flatMap((verbs) =>
    Object.values(verbs)
      .flatMap(({ parameters }) => parameters)
      .filter((parameter) => parameter.in === place)
  )

describe("a query", () => {
  test("has what it can hold: with dots what is nested, again and again what is a list", () => {
    const parameters = fieldsIn("query", { get: "/orders/{id}" })
    assert.deepStrictEqual(
      parameters.map(({ name }) => name),
      ["state", "tags", "first_item.number", "first_item.names", "raw", "email", "phone"]
    )
    const tags = parameters.find(({ name }) => name === "tags")!
    assert.deepInclude(tags, { style: "form", explode: true })
    assert.strictEqual(tags.schema.items?.format, "uint64")
    assert.deepStrictEqual(parameters[0]!.schema, { type: "string", enum: ["OPEN", "PAID"] })
    assert.strictEqual(parameters.at(-1)!.description, "At most one of email, phone.")
  })

  test("has nothing of the body", () => {
    const names = (rule: JsonObject) => fieldsIn("query", rule).map(({ name }) => name)
    assert.deepStrictEqual(names({ post: "/orders/{id}", body: "*" }), [])
    assert.notInclude(names({ post: "/orders/{id}", body: "first_item" }), "first_item.number")
  })
})

test("bindings are operations of their own, with ids of their own", () => {
  const rule = { get: "/orders/{id}", additionalBindings: [{ post: "/orders", body: "*" }] }
  const { paths } = described(rule)
  assert.strictEqual(paths["/orders/{id}"]?.get?.operationId, "Shop_Find")
  assert.strictEqual(paths["/orders"]?.post?.operationId, "Shop_Find_2")
  assert.deepStrictEqual(paths["/orders"]?.post?.requestBody?.content["application/json"]?.schema, {
    $ref: "#/components/schemas/shop.Order"
  })
})

test("a body is the message without what the path holds, or one field", () => {
  const bodyOf = (body: string): Schema | undefined =>
    described({ put: "/orders/{id}", body }).paths["/orders/{id}"]?.put?.requestBody?.content["application/json"]
      ?.schema
  assert.notProperty(bodyOf("*")?.properties, "id")
  assert.property(bodyOf("*")?.properties, "firstItem")
  assert.strictEqual(bodyOf("first_item")?.$ref, "#/components/schemas/shop.Item")
})

test("messages are described as JSON writes them, those that hold themselves too", () => {
  const schemas = new Schemas()
  assert.deepStrictEqual(schemas.message(rpc.input), { $ref: "#/components/schemas/shop.Order" })
  const { "shop.Order": told, "shop.Item": inner } = schemas.all()
  assert.deepInclude(told?.properties, {
    more: { type: "object", additionalProperties: true },
    prices: { type: "object", additionalProperties: { type: ["number", "string"], format: "double" } },
    raw: { type: "string", contentEncoding: "base64" },
    items: { type: "array", items: { $ref: "#/components/schemas/shop.Item" } }
  })
  assert.deepStrictEqual(inner?.properties?.["self"], { $ref: "#/components/schemas/shop.Item" })
  assert.deepStrictEqual(inner?.properties?.["number"], {
    type: "string",
    format: "int64",
    pattern: "^-?[0-9]{1,19}$"
  })
})
