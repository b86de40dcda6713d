import { Validator } from "@seriousme/openapi-schema-validator"
import { Ajv2020 } from "ajv/dist/2020.js"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import type { Answer, Operation, Schema, Verb } from "../../../adapters/transport/openapi.ts"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { openApi } from "../../../adapters/transport/rest/openapi/document.ts"
import { routesOf } from "../../../adapters/transport/rest/routes.ts"
import { EntityService, EventService } from "../../../proto/gen/stategate/stategate_pb.js"
import { type Gateway, startGateway } from "../../support/gateway.ts"

const document = openApi({ version: "2.0.0", authDisabled: false })

interface Described {
  readonly verb: Verb
  readonly path: string
  readonly operation: Operation
}

const operations = Object.entries(document.paths).flatMap(([path, verbs]) =>
  (Object.entries(verbs) as ReadonlyArray<[Verb, Operation]>).map(([verb, operation]): Described => {
    return { verb, path, operation }
  })
)
const operationOf = (id: string) => operations.find(({ operation }) => operation.operationId === id)!

describe("the document", () => {
  test("is valid OpenAPI 3.1", async () => {
    const validator = new Validator()
    const { valid, errors } = await validator.validate({ ...document })
    assert.isTrue(valid, JSON.stringify(errors, undefined, 2))
    assert.strictEqual(validator.version, "3.1")
  })

  test("has every route of REST, and no other", () => {
    assert.sameMembers(
      operations.map(({ verb, path }) => `${verb.toUpperCase()} ${path}`),
      routesOf([EntityService, EventService]).map(({ verb, template }) => `${verb} ${template}`)
    )
    const ids = operations.map(({ operation }) => operation.operationId)
    assert.strictEqual(new Set(ids).size, ids.length)
  })

  test("leaves nothing without a description", () => {
    const silent: Array<string> = []
    const expect = (where: string, description: string | undefined) => {
      if (!description) silent.push(where)
    }
    for (const { operation } of operations) {
      const { operationId: id } = operation
      expect(id, operation.description)
      for (const parameter of operation.parameters) expect(`${id} ${parameter.name}`, parameter.description)
      for (const [status, answer] of Object.entries(operation.responses)) expect(`${id} ${status}`, answer.description)
    }
    for (const [name, schema] of Object.entries(document.components.schemas)) {
      expect(name, schema.description)
      for (const [field, { description }] of Object.entries(schema.properties ?? {})) {
        expect(`${name}.${field}`, description)
      }
    }
    assert.deepStrictEqual(silent, [])
  })

  test("asks for a token only where one is needed", () => {
    assert.deepStrictEqual(document.security, [{ bearer: [] }])
    assert.deepStrictEqual(openApi({ version: "2.0.0", authDisabled: true }).security, [])
  })
})

describe("the headers that mean something", () => {
  const parametersOf = (id: string) =>
    operationOf(id)
      .operation.parameters.filter((parameter) => parameter.in === "header")
      .map(({ name }) => name)
  const all = ["x-request-id", "traceparent"]

  test("are those that the call looks at", () => {
    const changing = ["idempotency-key", "if-match", "if-none-match", ...all]
    for (const name of ["Set", "Edit", "Revert", "Del"]) {
      assert.deepStrictEqual(parametersOf(`EntityService_${name}`), changing)
    }
    assert.deepStrictEqual(parametersOf("EntityService_Apply"), ["idempotency-key", ...all])
    assert.deepStrictEqual(parametersOf("EntityService_Get"), ["if-none-match", ...all])
    assert.deepStrictEqual(parametersOf("EntityService_Search"), all)
    assert.deepStrictEqual(parametersOf("EventService_Stream"), ["last-event-id", ...all])
    assert.deepStrictEqual(parametersOf("EventService_Get"), all)
  })
})

describe("a gateway", () => {
  let gateway: Gateway
  let app: ReturnType<typeof restApp>
  beforeAll(async () => {
    gateway = await startGateway()
    app = restApp(gateway.gate)
  })
  afterAll(() => gateway.close())

  const ajv = new Ajv2020({ strict: false, validateFormats: false })
  ajv.addSchema({ $id: "document", ...document })
  const holds = (schema: Schema, json: unknown, where: string) => {
    const absolute = JSON.parse(JSON.stringify(schema).replaceAll('"#/', '"document#/'))
    assert.isTrue(ajv.validate(absolute, json), `${where}: ${ajv.errorsText()} in ${JSON.stringify(json)}`)
  }
  const documented = (id: string, status: number): Answer => {
    const answer = operationOf(id).operation.responses[status]
    assert.isDefined(answer, `${id} answers with ${status}`)
    return answer!
  }

  const ref = { domain: "shop", type: "order", key: "1" }
  const request = (id: string, fields: Record<string, string>, body?: object, headers: Record<string, string> = {}) => {
    const { verb, path, operation } = operationOf(id)
    const query = new URLSearchParams()
    let url = path
    for (const [name, value] of Object.entries(fields)) {
      const parameter = operation.parameters.find((known) => known.name === name)
      if (parameter?.in === "path") url = url.replace(`{${name}}`, encodeURIComponent(value))
      if (parameter?.in === "query") query.append(name, value)
    }
    return app.request(`${url}?${query}`, {
      method: verb.toUpperCase(),
      headers: { ...(body === undefined ? {} : { "content-type": "application/json" }), ...headers },
      ...(body === undefined ? {} : { body: JSON.stringify(body) })
    })
  }
  /** Calls as documented; fails if the answer is not as documented. */
  const call = async (
    id: string,
    status: number,
    ...rest: Parameters<typeof request> extends [string, ...infer R] ? R : never
  ) => {
    const answer = await request(id, ...rest)
    const text = await answer.text()
    assert.strictEqual(answer.status, status, text)
    const { headers, content } = documented(id, status)
    const told = [...answer.headers.keys()].filter((name) => /^(etag|stategate-.*|retry-after)$/.test(name))
    for (const name of told) {
      assert.isDefined(headers[name], `${id} ${status} has the header ${name}`)
      holds(headers[name]!.schema, answer.headers.get(name), `${id} ${name}`)
    }
    if (content === undefined) assert.strictEqual(text, "")
    else holds(content["application/json"]!.schema, JSON.parse(text), `${id} ${status}`)
    return { headers: answer.headers, json: text === "" ? undefined : JSON.parse(text) }
  }

  test("finds every operation under its path", async () => {
    for (const { verb, path, operation } of operations) {
      const url = path.replaceAll(/\{\w+\}/g, "x")
      const body =
        operation.requestBody === undefined ? {} : { body: "{}", headers: { "content-type": "application/json" } }
      const answer = await app.request(url, { method: verb.toUpperCase(), ...body })
      await answer.body?.cancel()
      const [service, name] = operation.operationId.split("_")
      assert.strictEqual(gateway.records.at(-1)?.method, `/stategate.${service}/${name}`)
      assert.isDefined(operation.responses[answer.status], `${operation.operationId} answers with ${answer.status}`)
    }
  })

  test("answers as it is documented", async () => {
    const values = { n: 1, deep: { list: [null, true, "text"] } }
    await call("EntityService_Set", 200, ref, { values }, { "idempotency-key": "1" })
    const replayed = await call("EntityService_Set", 200, ref, { values }, { "idempotency-key": "1" })
    assert.strictEqual(replayed.headers.get("stategate-replayed"), "true")
    await call("EntityService_Edit", 200, ref, { values, version: "1" })
    const { json: found } = await call("EventService_Search", 200, {
      ...ref,
      query_string: '{"entity.key":"1"}',
      limit: "10",
      "sort.field": "time",
      "sort.reverse": "true"
    })
    assert.lengthOf(found.events, 2)
    const { id } = found.events[1]
    await call("EventService_Get", 200, { ...ref, id })
    await call("EntityService_Revert", 200, ref, { id })
    const { headers } = await call("EntityService_Get", 200, { ...ref, version: "0" })
    await call("EntityService_Get", 304, ref, undefined, { "if-none-match": headers.get("etag")! })
    await call("EntityService_Search", 200, { ...ref, limit: "10", offset: "0" })
    await call("EntityService_Apply", 200, ref, {
      commands: [{ set: { type: "bill", key: "1", values }, mustNotExist: true }, { del: { type: "order", key: "1" } }]
    })
    await call("EntityService_Set", 200, ref, { values })
    await call("EntityService_Del", 200, ref)
  })

  test("fails as it is documented", async () => {
    const values = { n: 1 }
    await call("EntityService_Get", 404, { ...ref, key: "absent" })
    await call("EntityService_Del", 404, { ...ref, key: "absent" })
    await call("EntityService_Set", 400, ref, { value: 1 })
    await call("EntityService_Set", 200, { ...ref, key: "2" }, { values }, { "idempotency-key": "2" })
    await call("EntityService_Set", 409, { ...ref, key: "2" }, { values, version: "7" })
    await call("EntityService_Set", 412, { ...ref, key: "2" }, { values }, { "if-none-match": "*" })
    await call("EntityService_Set", 422, { ...ref, key: "2" }, { values: {} }, { "idempotency-key": "2" })
    await call("EntityService_Set", 415, ref, { values }, { "content-type": "text/plain" })
    await call("EntityService_Apply", 404, ref, { commands: [{ del: { type: "order", key: "absent" } }] })
    await call("EventService_Stream", 400, { domain: "*", type: "*", after: "no cursor" })
  })

  test("streams as it is documented", async () => {
    const fields = { domain: "shop", type: "*", beginning: "true" }
    const { content, headers } = documented("EventService_Stream", 200)
    for (const [type, { schema }] of Object.entries(content!)) {
      const answer = await request("EventService_Stream", fields, undefined, { accept: type })
      assert.strictEqual(answer.headers.get("content-type"), type)
      assert.isTrue(answer.headers.has("stategate-cursor") && "stategate-cursor" in headers)
      let text = ""
      const reader = answer.body!.pipeThrough(new TextDecoderStream()).getReader()
      while (!/\}\n/.test(text)) text += (await reader.read()).value
      await reader.cancel()
      if (type === "text/event-stream") assert.match(text, /^retry: \d+\n/)
      else holds(schema, JSON.parse(text.split("\n")[0]!), type)
    }
  })
})
