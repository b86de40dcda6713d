import { connect } from "node:http2"
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node"
import * as web from "@connectrpc/connect-web"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { need, program } from "../support/need.ts"
import { type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"
import type { StateClient } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { grpcJsClient } from "./clients/grpc-js.ts"
import { grpcurlClient } from "./clients/grpcurl.ts"
import { fetchOver } from "./clients/http2.ts"
import { restClient } from "./clients/rest.ts"
import { round } from "./clients/round.ts"

// One round of everything, with every client that speaks to the gateway, against one gateway on SQLite.

const grpcurl = need("grpcurl", {
  enable: "go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
  found: program("grpcurl")
})

const http2 = { httpVersion: "2" } as const
const http1 = { httpVersion: "1.1" } as const
const json = { useBinaryFormat: false }
const binary = { useBinaryFormat: true }

const overHttp2 = (url: string) => {
  const session = connect(url)
  session.on("error", () => {})
  return { fetch: fetchOver(session), close: () => session.destroy() }
}

const clients: Readonly<Record<string, (baseUrl: string) => StateClient>> = {
  "grpc-js": (url) => grpcJsClient(url),
  "connect-node, gRPC": (baseUrl) => connectClient(createGrpcTransport({ baseUrl })),
  "connect-node, gRPC with JSON": (baseUrl) => connectClient(createGrpcTransport({ baseUrl, ...json })),
  "connect-node, gRPC-web over HTTP/1.1": (baseUrl) => connectClient(createGrpcWebTransport({ baseUrl, ...http1 })),
  "connect-node, gRPC-web over HTTP/2": (baseUrl) => connectClient(createGrpcWebTransport({ baseUrl, ...http2 })),
  "connect-node, Connect over HTTP/1.1": (baseUrl) => connectClient(createConnectTransport({ baseUrl, ...http1 })),
  "connect-node, Connect over HTTP/2": (baseUrl) => connectClient(createConnectTransport({ baseUrl, ...http2 })),
  "connect-web, Connect with JSON": (baseUrl) => connectClient(web.createConnectTransport({ baseUrl, ...json })),
  "connect-web, Connect in binary": (baseUrl) => connectClient(web.createConnectTransport({ baseUrl, ...binary })),
  "connect-web, Connect that reads with GET": (baseUrl) =>
    connectClient(web.createConnectTransport({ baseUrl, useHttpGet: true })),
  "connect-web, gRPC-web in binary": (baseUrl) => connectClient(web.createGrpcWebTransport({ baseUrl, ...binary })),
  "connect-web, gRPC-web with JSON": (baseUrl) => connectClient(web.createGrpcWebTransport({ baseUrl, ...json })),
  "REST by fetch, streams as lines": (url) => restClient(url),
  "REST by fetch, streams as server-sent events": (url) => restClient(url, { accept: "text/event-stream" }),
  "REST over HTTP/2, streams as lines": (url) => restClient(url, overHttp2(url)),
  "REST over HTTP/2, streams as server-sent events": (url) =>
    restClient(url, { accept: "text/event-stream", ...overHttp2(url) })
}

describe("one gateway, every client", () => {
  let folder: ReturnType<typeof temporaryFolder>
  let gateway: GatewayProcess
  beforeAll(async () => {
    folder = temporaryFolder()
    gateway = await startGateway({
      STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
    })
  })
  afterAll(async () => {
    const ended = await gateway?.stop()
    folder.remove()
    assert.strictEqual(ended?.code, 0)
  })

  let domains = 0
  const goRound = async (client: StateClient) => {
    try {
      await round(client, `domain-${++domains}`)
    } finally {
      client.close()
    }
  }
  for (const [name, client] of Object.entries(clients)) test(name, () => goRound(client(gateway.url)))
  test("grpcurl with the proto files", grpcurl.options, () => goRound(grpcurlClient(grpcurl.found!, gateway.url)))
})
