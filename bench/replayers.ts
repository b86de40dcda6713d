import { type ClientHttp2Stream, connect } from "node:http2"
import { connect as connectSocket } from "node:net"
import { create, toBinary } from "@bufbuild/protobuf"
import { StreamOptsSchema } from "../proto/gen/stategate/stategate_pb.js"

// Readers that replay the domain "bench" from its beginning as fast as they can, each on a connection of its own: gRPC,
// lines of JSON and server-sent events in turn. They throw away what they read. A reader of gRPC begins anew when it has
// everything; the others are meant to be stopped before that.

const [address, count, events] = [process.argv[2]!, Number(process.argv[3]), Number(process.argv[4])]
const { hostname, port, host } = new URL(address)
let reading = 0
let bytes = 0

let since = 0

const begun = () => {
  if (++reading < count) return
  bytes = 0
  since = performance.now()
  process.stdout.write("ready\n")
}

/** Counts the messages of a gRPC stream by their lengths. */
const counting = (stream: ClientHttp2Stream, onEvent: (events: number) => void): void => {
  let skip = 0
  let head: Buffer = Buffer.alloc(0)
  stream.on("data", (chunk: Buffer) => {
    bytes += chunk.length
    let at = 0
    let seen = 0
    while (at < chunk.length) {
      const step = Math.min(skip, chunk.length - at)
      at += step
      skip -= step
      if (skip > 0 || at === chunk.length) break
      const piece = chunk.subarray(at, at + 5 - head.length)
      head = Buffer.concat([head, piece])
      at += piece.length
      if (head.length < 5) break
      skip = head.readUInt32BE(1)
      head = Buffer.alloc(0)
      seen += 1
    }
    onEvent(seen)
  })
}

const message = toBinary(
  StreamOptsSchema,
  create(StreamOptsSchema, { domain: "bench", type: "*", start: { case: "beginning", value: true } })
)
const frame = Buffer.concat([Buffer.from([0, 0, 0, 0, message.length]), message])

const grpc = (): void => {
  // The windows of HTTP/2 are 64 KiB unless somebody asks for more, as clients that read much do.
  const windowBytes = 16 * 1024 * 1024
  const session = connect(address, { settings: { initialWindowSize: windowBytes } })
  session.on("error", () => {})
  session.once("connect", () => session.setLocalWindowSize(windowBytes))
  let isFirst = true
  const replay = () => {
    const stream = session.request({
      ":method": "POST",
      ":path": "/stategate.EventService/Stream",
      "content-type": "application/grpc",
      te: "trailers"
    })
    let left = events
    stream.on("error", () => {})
    counting(stream, (seen) => {
      if (isFirst) begun()
      isFirst = false
      left -= seen
      if (left > 0 || stream.destroyed) return
      stream.destroy()
      replay()
    })
    stream.end(frame)
  }
  replay()
}

const web = (accept: string) => (): void => {
  const socket = connectSocket(Number(port), hostname)
  const path = "/api/events/stream?domain=bench&type=*&beginning=true"
  socket.on("error", () => {})
  socket.once("data", begun)
  socket.on("data", (chunk) => {
    bytes += chunk.length
  })
  socket.write(`GET ${path} HTTP/1.1\r\nHost: ${host}\r\nAccept: ${accept}\r\n\r\n`)
}

const kinds = [grpc, web("application/x-ndjson"), grpc, web("text/event-stream")]
for (let i = 0; i < count; i++) kinds[i % kinds.length]!()
process.on("SIGTERM", () => {
  process.stdout.write(`${bytes} ${performance.now() - since}\n`, () => process.exit(0))
})
