import { execFile } from "node:child_process"
import { promisify } from "node:util"
import { createFileRegistry, fromBinary, getOption, type MessageInitShape } from "@bufbuild/protobuf"
import { FileDescriptorProtoSchema } from "@bufbuild/protobuf/wkt"
import { createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { http } from "../../../proto/gen/google/api/annotations_pb.js"
import {
  ServerReflection,
  type ServerReflectionRequestSchema
} from "../../../proto/gen/grpc/reflection/v1/reflection_pb.js"
import { ServerReflection as ServerReflectionAlpha } from "../../../proto/gen/grpc/reflection/v1alpha/reflection_pb.js"
import { need, program } from "../../support/need.ts"
import { type GatewayProcess, startGateway } from "../../support/process.ts"

const grpcurl = need("grpcurl", {
  enable: "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
  found: program("grpcurl")
})

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway.stop())

describe("grpcurl, without any proto file", () => {
  const run = async (...args: ReadonlyArray<string>): Promise<string> => {
    const { stdout } = await promisify(execFile)(grpcurl.found!, ["-plaintext", ...args])
    return stdout
  }
  const address = () => new URL(gateway.url).host

  test("lists the services", grpcurl.options, async () => {
    assert.deepStrictEqual((await run(address(), "list")).trim().split("\n"), [
      "grpc.health.v1.Health",
      "grpc.reflection.v1.ServerReflection",
      "grpc.reflection.v1alpha.ServerReflection",
      "stategate.EntityService",
      "stategate.EventService"
    ])
  })

  test("describes a service, a call, a message and a field of another file", grpcurl.options, async () => {
    assert.include(await run(address(), "describe", "stategate.EventService"), "returns ( stream .stategate.Event )")
    assert.include(await run(address(), "describe", "stategate.EntityService.Set"), ".stategate.Entity")
    assert.include(await run(address(), "describe", "stategate.Entity"), ".google.protobuf.Struct values")
    assert.include(await run(address(), "describe", "google.protobuf.Struct"), "map<string, .google.protobuf.Value>")
  })

  test("calls", grpcurl.options, async () => {
    const ref = { domain: "shop", type: "order", key: "1" }
    await run("-d", JSON.stringify({ ...ref, values: { n: 1 } }), address(), "stategate.EntityService/Set")
    const found = await run("-d", JSON.stringify(ref), address(), "stategate.EntityService/Get")
    assert.deepStrictEqual(JSON.parse(found), { ...ref, values: { n: 1 }, version: "1" })
  })
})

type Question = NonNullable<MessageInitShape<typeof ServerReflectionRequestSchema>["messageRequest"]>

/** What one stream answers to several questions. */
const ask = async (
  { url: baseUrl }: GatewayProcess,
  service: typeof ServerReflection,
  ...questions: ReadonlyArray<Question>
) => {
  const client = createClient(service, createGrpcTransport({ baseUrl }))
  async function* requests() {
    for (const messageRequest of questions) yield { host: "h", messageRequest }
  }
  const answers = []
  for await (const answer of client.serverReflectionInfo(requests())) answers.push(answer)
  return answers
}

describe.each([
  ["v1", ServerReflection],
  ["v1alpha", ServerReflectionAlpha as unknown as typeof ServerReflection]
])("reflection %s", (_, service) => {
  test("gives files that are whole: all that they import, and the routes of REST", async () => {
    const [answer] = await ask(gateway, service, { case: "fileContainingSymbol", value: "stategate.EntityService.Set" })
    assert(answer?.messageResponse.case === "fileDescriptorResponse")
    assert.strictEqual(answer.validHost, "h")
    const file = answer.messageResponse.value.fileDescriptorProto.map((one) =>
      fromBinary(FileDescriptorProtoSchema, one)
    )
    assert(file[0] !== undefined)
    assert.strictEqual(file[0].name, "stategate/stategate.proto")
    const registry = createFileRegistry(file[0], (name) => file.find((one) => one.name === name))
    const set = registry.getService("stategate.EntityService")?.method["set"]
    assert.strictEqual(getOption(set!, http).pattern.value, "/api/entity/ref/{domain}/{type}/{key}")
  })

  test("sends no file twice in a stream, but for the one that is asked for", async () => {
    const question = { case: "fileByFilename", value: "stategate/stategate.proto" } as const
    const [first, second] = await ask(gateway, service, question, question)
    const count = (answer: typeof first) =>
      answer?.messageResponse.case === "fileDescriptorResponse"
        ? answer.messageResponse.value.fileDescriptorProto.length
        : 0
    assert.isAbove(count(first), 3)
    assert.strictEqual(count(second), 1)
  })

  test("finds extensions, fields, nested messages and enum types", async () => {
    const type = "google.protobuf.MethodOptions"
    const [numbers, file, ...rest] = await ask(
      gateway,
      service,
      { case: "allExtensionNumbersOfType", value: type },
      { case: "fileContainingExtension", value: { containingType: type, extensionNumber: 72295728 } },
      { case: "fileContainingSymbol", value: "stategate.Entity.values" },
      { case: "fileContainingSymbol", value: "google.rpc.BadRequest.FieldViolation" },
      { case: "fileContainingSymbol", value: "grpc.health.v1.HealthCheckResponse.ServingStatus" },
      { case: "fileContainingSymbol", value: "google.api.http" }
    )
    assert.deepInclude(numbers?.messageResponse.value, { baseTypeName: type, extensionNumber: [72295728] })
    for (const answer of [file, ...rest]) assert.strictEqual(answer?.messageResponse.case, "fileDescriptorResponse")
  })

  test("says what there is not, and goes on", async () => {
    const answers = await ask(
      gateway,
      service,
      { case: "fileByFilename", value: "secret.proto" },
      { case: "fileContainingSymbol", value: "stategate.Nothing" },
      { case: "fileContainingExtension", value: { containingType: "stategate.Entity", extensionNumber: 1 } },
      { case: "allExtensionNumbersOfType", value: "stategate.Nothing" },
      { case: undefined }
    )
    const codes = answers.map(({ messageResponse }) =>
      messageResponse.case === "errorResponse" ? messageResponse.value.errorCode : 0
    )
    assert.deepStrictEqual(codes, [5, 5, 5, 5, 3])
  })
})

test("who goes on asking is not waited for when the gateway stops", async () => {
  const stopping = await startGateway({ STATEGATE_SHUTDOWN_GRACE: "1h" })
  const client = createClient(ServerReflection, createGrpcTransport({ baseUrl: stopping.url }))
  const { promise: never } = Promise.withResolvers<void>()
  async function* questions() {
    yield { messageRequest: { case: "listServices", value: "" } } as MessageInitShape<
      typeof ServerReflectionRequestSchema
    >
    await never
  }
  const answers = client.serverReflectionInfo(questions())[Symbol.asyncIterator]()
  assert.strictEqual((await answers.next()).done, false)
  const ended = stopping.stop()
  await answers.next().catch(() => {})
  assert.strictEqual((await ended).code, 0)
})

test("STATEGATE_PUBLIC_DOCS=false keeps it shut", async () => {
  const shut = await startGateway({ STATEGATE_PUBLIC_DOCS: "false" })
  try {
    const question = { case: "listServices", value: "" } as const
    const error = await ask(shut, ServerReflection, question).then(
      () => "it answered",
      (refusal: unknown) => String(refusal)
    )
    assert.include(error, "[unimplemented]")
  } finally {
    await shut.stop()
  }
})
