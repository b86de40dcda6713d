import { once } from "node:events"
import { writeFileSync } from "node:fs"
import { request } from "node:https"
import { type ConnectionOptions, connect } from "node:tls"
import { createConnectTransport, createGrpcTransport, createGrpcWebTransport } from "@connectrpc/connect-node"
import * as grpc from "@grpc/grpc-js"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { openssl, type TestCertificates, testCertificates } from "../support/certificate.ts"
import { type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"
import { refusal, type StateClient } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { grpcJsClient } from "./clients/grpc-js.ts"
import { round } from "./clients/round.ts"

describe("TLS", openssl.options, () => {
  let folder: ReturnType<typeof temporaryFolder>
  let certificates: TestCertificates
  let gateway: GatewayProcess
  let mutual: GatewayProcess

  beforeAll(async () => {
    folder = temporaryFolder()
    certificates = testCertificates()
    const file = (name: string, text: string) => {
      writeFileSync(`${folder.path}/${name}`, text)
      return `${folder.path}/${name}`
    }
    const env = {
      STATEGATE_TLS_CERT_FILE: file("cert.pem", certificates.cert),
      STATEGATE_TLS_KEY_FILE: file("key.pem", certificates.key)
    }
    gateway = await startGateway(env)
    mutual = await startGateway({ ...env, STATEGATE_TLS_CLIENT_CA_FILE: file("ca.pem", certificates.ca) })
  })
  afterAll(async () => {
    await Promise.all([gateway?.stop(), mutual?.stop()])
    folder.remove()
  })

  /** What a client of each gateway shows and trusts. */
  const trusting = () => ({ ca: certificates.ca })
  const member = () => ({ ...trusting(), cert: certificates.cert, key: certificates.key })
  const stranger = () => ({ ...trusting(), cert: certificates.strangerCert, key: certificates.strangerKey })

  const faces: Readonly<Record<string, (url: string, tls: ConnectionOptions) => StateClient>> = {
    "gRPC by grpc-js": (url, { ca, cert, key }) => {
      const bytes = (pem: typeof ca) => (pem === undefined ? null : Buffer.from(String(pem)))
      return grpcJsClient(url, grpc.credentials.createSsl(bytes(ca), bytes(key as string), bytes(cert)))
    },
    "gRPC by connect-node": (baseUrl, nodeOptions) => connectClient(createGrpcTransport({ baseUrl, nodeOptions })),
    "Connect over HTTP/1.1": (baseUrl, nodeOptions) =>
      connectClient(createConnectTransport({ baseUrl, httpVersion: "1.1", nodeOptions })),
    "Connect over HTTP/2": (baseUrl, nodeOptions) =>
      connectClient(createConnectTransport({ baseUrl, httpVersion: "2", nodeOptions })),
    "gRPC-web over HTTP/1.1": (baseUrl, nodeOptions) =>
      connectClient(createGrpcWebTransport({ baseUrl, httpVersion: "1.1", nodeOptions }))
  }
  let domains = 0

  for (const [name, client] of Object.entries(faces)) {
    test(`${name} goes the whole round`, async () => {
      const over = client(gateway.url, trusting())
      await round(over, `tls-${++domains}`)
      over.close()
    })

    test(`${name} with a client certificate, and not without or with a stranger's`, async () => {
      const over = client(mutual.url, member())
      await round(over, `mtls-${++domains}`)
      over.close()
      for (const tls of [trusting(), stranger()]) {
        const outside = client(mutual.url, tls)
        const refused = await refusal(outside.call("EntityService/Get", { domain: "d", type: "t", key: "k" }))
        assert.notInclude(["NOT_FOUND", "OK"], refused.code, "the call must not arrive")
        outside.close()
      }
    })
  }

  const rest = (url: string, tls: ConnectionOptions) =>
    new Promise<{ readonly status: number | undefined; readonly body: string }>((resolve, reject) => {
      const path = `${url}/api/entity/search?domain=d&type=t&limit=1`
      const call = request(path, { ...tls, agent: false, signal: AbortSignal.timeout(20_000) }, async (response) => {
        let body = ""
        for await (const chunk of response) body += chunk
        resolve({ status: response.statusCode, body })
      })
      call.on("error", reject).end()
    })

  test("REST", async () => {
    assert.deepStrictEqual(await rest(gateway.url, trusting()), { status: 200, body: '{"entities":[]}' })
    assert.deepStrictEqual(await rest(mutual.url, member()), { status: 200, body: '{"entities":[]}' })
    for (const tls of [trusting(), stranger()]) {
      const refused = await rest(mutual.url, tls).catch((error: unknown) => error)
      assert.instanceOf(refused, Error)
    }
    assert.instanceOf(
      await rest(gateway.url, {}).catch((error: unknown) => error),
      Error,
      "a client that does not know the authority turns away by itself"
    )
  })

  test("ALPN offers h2 and http/1.1, h2 first", async () => {
    const chosen = async (ALPNProtocols: Array<string>) => {
      const { hostname, port } = new URL(gateway.url)
      const socket = connect({ host: hostname, port: Number(port), ALPNProtocols, ...trusting() })
      await once(socket, "secureConnect")
      const protocol = socket.alpnProtocol
      socket.destroy()
      return protocol
    }
    assert.strictEqual(await chosen(["http/1.1", "h2"]), "h2")
    assert.strictEqual(await chosen(["http/1.1"]), "http/1.1")
  })

  test("speaks no plaintext on the port, and says at start what it serves", async () => {
    const plain = await fetch(gateway.url.replace("https", "http")).catch((error: unknown) => error)
    assert.instanceOf(plain, Error)
    const said = [gateway, mutual].map(({ log }) => log.find(({ url }) => url !== undefined)?.["tls"])
    assert.deepStrictEqual(said, ["on", "mutual"])
  })
})
