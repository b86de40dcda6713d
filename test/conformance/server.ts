// The server under test, as the runner of the conformance suite starts it: a request on standard input says what to
// serve, an answer on standard output says where. It is the gateway's own listener and handlers, around another service.
//
//   node test/conformance/server.ts <descriptors> [<file that gets a byte for each call of the fast path>]

import { appendFileSync, readFileSync } from "node:fs"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { Effect } from "effect"
import { nodeRpcHandler } from "../../adapters/transport/connect/node.ts"
import { grpcHandler } from "../../adapters/transport/grpc/grpc.ts"
import { type Handler, listen } from "../../adapters/transport/listener/listen.ts"
import { readSuite, type ServerRequest } from "./messages.ts"
import { conformanceService } from "./service.ts"

const lengthBytes = 4

const [descriptors = "", served] = process.argv.slice(2)
const suite = readSuite(descriptors)
const asked = fromBinary(suite.message("ServerCompatRequest"), readFileSync(0).subarray(lengthBytes)) as ServerRequest
const text = (bytes: Uint8Array) => Buffer.from(bytes).toString()

const { cert, key } = asked.serverCreds ?? {}
const tls =
  asked.useTls && cert !== undefined && key !== undefined
    ? {
        cert: text(cert),
        key: text(key),
        ...(asked.clientTlsCert.length > 0 ? { clientCa: text(asked.clientTlsCert) } : {})
      }
    : undefined
const limit = asked.messageReceiveLimit > 0 ? asked.messageReceiveLimit : undefined

const service = conformanceService(suite)
const grpc = grpcHandler(
  service.methods(() => served !== undefined && appendFileSync(served, ".")),
  limit
)
const rpc = nodeRpcHandler([service.routes], undefined, {
  jsonOptions: { registry: suite.registry },
  // Small answers too, or the suite would see none that is compressed.
  compressMinBytes: 0,
  ...(limit === undefined ? {} : { readMaxBytes: limit })
})
const handler: Handler = (request, response) => {
  if (rpc.serves(request)) return rpc.serve(request, response)
  response.statusCode = 404
  response.end()
  return undefined
}

const http2 = process.env["STATEGATE_HTTP2"] === "node" ? "node" : "own"

const main = Effect.gen(function* () {
  const { port } = yield* listen({ host: "127.0.0.1", port: 0, tls, graceMs: 0, onStream: grpc, http2 }, handler)
  const desc = suite.message("ServerCompatResponse")
  const answer = toBinary(
    desc,
    create(desc, { host: "127.0.0.1", port, ...(tls === undefined ? {} : { pemCert: cert }) })
  )
  const length = Buffer.alloc(lengthBytes)
  length.writeUInt32BE(answer.length)
  process.stdout.write(Buffer.concat([length, answer]))
  return yield* Effect.never
})
process.once("SIGTERM", () => process.exit())
Effect.runFork(Effect.scoped(main))
