import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createConnectTransport, createGrpcTransport } from "@connectrpc/connect-node"
import * as grpc from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { Health, HealthCheckResponse_ServingStatus as Status } from "../../../proto/gen/grpc/health/v1/health_pb.js"
import { type GatewayProcess, startGateway } from "../../support/process.ts"

const root = new URL("../../..", import.meta.url).pathname

describe("a gateway that serves", () => {
  let gateway: GatewayProcess
  beforeAll(async () => {
    gateway = await startGateway()
  })
  afterAll(() => gateway.stop())

  const transports = {
    gRPC: (baseUrl: string) => createGrpcTransport({ baseUrl }),
    "gRPC in JSON": (baseUrl: string) => createGrpcTransport({ baseUrl, useBinaryFormat: false }),
    Connect: (baseUrl: string) => createConnectTransport({ baseUrl, httpVersion: "1.1" })
  } as const
  for (const [name, transport] of Object.entries(transports)) {
    test(`says so over ${name}, as a whole and for each service`, async () => {
      const client = createClient(Health, transport(gateway.url))
      for (const service of ["", "stategate.EntityService", "stategate.EventService"]) {
        assert.strictEqual((await client.check({ service })).status, Status.SERVING)
      }
    })

    test(`knows no other service, over ${name}`, async () => {
      const client = createClient(Health, transport(gateway.url))
      const refusal = await client.check({ service: "stategate.Nothing" }).catch((error: unknown) => error)
      assert.strictEqual(ConnectError.from(refusal).code, Code.NotFound)
      for await (const { status } of client.watch({ service: "stategate.Nothing" })) {
        assert.strictEqual(status, Status.SERVICE_UNKNOWN)
        break
      }
    })
  }

  test("lists what it knows", async () => {
    const { statuses } = await createClient(Health, createGrpcTransport({ baseUrl: gateway.url })).list({})
    assert.sameMembers(Object.keys(statuses), ["", "stategate.EntityService", "stategate.EventService"])
  })

  test("is understood by grpc-js", async () => {
    const definition = loadSync("grpc/health/v1/health.proto", { includeDirs: [`${root}proto`], enums: String })
    const name = "grpc.health.v1.Health"
    const Client = grpc.makeClientConstructor(definition[name] as grpc.ServiceDefinition, name)
    const client = new Client(new URL(gateway.url).host, grpc.credentials.createInsecure())
    const status = await new Promise((resolve, reject) =>
      client["check"]!({ service: "" }, (error: grpc.ServiceError | null, answer?: { readonly status: string }) =>
        error === null ? resolve(answer?.status) : reject(error)
      )
    )
    client.close()
    assert.strictEqual(status, "SERVING")
  })

  test("answers probes over HTTP, without a name in what it says", async () => {
    const live = await fetch(`${gateway.url}/livez`, { headers: { "x-request-id": "probe-1" } })
    assert.deepStrictEqual([live.status, await live.text()], [200, "ok\n"])
    assert.strictEqual(live.headers.get("x-request-id"), "probe-1")
    const ready = await fetch(`${gateway.url}/readyz`)
    assert.deepStrictEqual([ready.status, await ready.json()], [200, { ready: true, store: "ok", gateway: "ok" }])
    assert.match(ready.headers.get("x-request-id") ?? "", /^[\da-f-]{36}$/)
    assert.strictEqual((await fetch(`${gateway.url}/readyz`, { method: "HEAD" })).status, 200)
    assert.strictEqual((await fetch(`${gateway.url}/readyz`, { method: "POST" })).status, 404)
  })

  test("logs no line for a probe", () => {
    assert.deepStrictEqual(
      gateway.log.filter(({ method }) => String(method).includes("Health")),
      []
    )
  })
})

test("who watches hears that the gateway shuts down, and keeps it no longer", async () => {
  const gateway = await startGateway({ STATEGATE_SHUTDOWN_GRACE: "50s" })
  const client = createClient(Health, createGrpcTransport({ baseUrl: gateway.url }))
  const heard: Array<Status> = []
  let end: unknown
  try {
    for await (const { status } of client.watch({ service: "" })) {
      heard.push(status)
      if (heard.length === 1) process.kill(gateway.pid, "SIGTERM")
    }
  } catch (error) {
    end = error
  }
  await gateway.ended
  assert.deepStrictEqual(heard, [Status.SERVING, Status.NOT_SERVING])
  assert.strictEqual(ConnectError.from(end).code, Code.Unavailable)
})
