import { createServer as createHttp1 } from "node:http"
import { createServer } from "node:http2"
import type { AddressInfo } from "node:net"
import { create, fromBinary, toBinary } from "@bufbuild/protobuf"
import { EmptySchema } from "@bufbuild/protobuf/wkt"
import { EntityRefSchema, EntitySchema } from "../proto/gen/stategate/stategate_pb.js"

// The least that a Node process can do for the same messages: no store, no checks, nothing around it. What the gateway
// takes more than this is what it is for.

const values = { message: "hello world", n: 1, nested: { x: "z".repeat(100) } }

const framed = (bytes: Uint8Array): Buffer => {
  const frame = Buffer.alloc(5 + bytes.length)
  frame.writeUInt32BE(bytes.length, 1)
  frame.set(bytes, 5)
  return frame
}

const got = (body: Buffer): Uint8Array => {
  const { domain, type, key } = fromBinary(EntityRefSchema, body)
  return toBinary(EntitySchema, create(EntitySchema, { domain, type, key, values, version: 1n }))
}

const put = (body: Buffer): Uint8Array => {
  fromBinary(EntitySchema, body)
  return toBinary(EmptySchema, create(EmptySchema))
}

const server = createServer()
server.on("stream", (stream, headers) => {
  stream.on("data", (chunk: Buffer) => {
    const body = chunk.subarray(5)
    const answer = headers[":path"]?.endsWith("/Get") === true ? got(body) : put(body)
    stream.respond({ ":status": 200, "content-type": "application/grpc+proto" }, { waitForTrailers: true })
    stream.once("wantTrailers", () => stream.sendTrailers({ "grpc-status": "0" }))
    stream.end(framed(answer))
  })
})

/** Where the reference is: in the path, as REST has it, or in the body, as Connect has it. */
const json = createHttp1((request, response) => {
  const answer = (ref: object) => {
    const body = JSON.stringify({ ...ref, values, version: "1" })
    response
      .setHeader("content-type", "application/json")
      .setHeader("content-length", Buffer.byteLength(body))
      .end(body)
  }
  if (request.method === "GET") {
    const [domain, type, key] = request.url!.split("/").slice(4)
    return answer({ domain, type, key })
  }
  const chunks: Array<Buffer> = []
  request.on("data", (chunk: Buffer) => chunks.push(chunk))
  request.once("end", () => answer(JSON.parse(Buffer.concat(chunks).toString()) as object))
})

const hostOf = (listening: { readonly address: () => unknown }) =>
  `127.0.0.1:${(listening.address() as AddressInfo).port}`
json.listen(0, "127.0.0.1", () =>
  server.listen(0, "127.0.0.1", () => {
    process.stdout.write(`${JSON.stringify({ http1: hostOf(json), url: `http://${hostOf(server)}` })}\n`)
  })
)
