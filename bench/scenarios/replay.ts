import { connect } from "node:http2"
import { create, toBinary } from "@bufbuild/protobuf"
import { StreamOptsSchema } from "../../proto/gen/stategate/stategate_pb.js"
import { cpuSeconds, gateway, inFolder, load, type Server } from "../processes.ts"
import { median, type Report } from "../table.ts"

const events = 1_000_000

/** Counts the frames of a stream without decoding them, until all have come. */
export const readAll = (server: Server, events: number): Promise<number> =>
  new Promise((resolve, reject) => {
    const session = connect(server.url)
    // The windows of HTTP/2 are 64 KiB unless somebody asks for more, as clients that read much do.
    session.once("connect", () => session.setLocalWindowSize(16 * 1024 * 1024))
    const message = toBinary(
      StreamOptsSchema,
      create(StreamOptsSchema, { domain: "bench", type: "*", start: { case: "beginning", value: true } })
    )
    const frame = Buffer.alloc(5 + message.length)
    frame.writeUInt32BE(message.length, 1)
    frame.set(message, 5)
    const began = performance.now()
    const stream = session.request({
      ":method": "POST",
      ":path": "/stategate.EventService/Stream",
      "content-type": "application/grpc",
      te: "trailers"
    })
    let count = 0
    let rest: Buffer = Buffer.alloc(0)
    stream.on("data", (chunk: Buffer) => {
      rest = rest.length === 0 ? chunk : Buffer.concat([rest, chunk])
      let at = 0
      while (rest.length - at >= 5 && rest.length - at >= 5 + rest.readUInt32BE(at + 1)) {
        at += 5 + rest.readUInt32BE(at + 1)
        count += 1
      }
      rest = rest.subarray(at)
      if (count < events) return
      const perSecond = count / ((performance.now() - began) / 1000)
      session.destroy()
      resolve(perSecond)
    })
    stream.once("error", reject)
    stream.once("end", () => reject(new Error(`the stream ended after ${count} events`)))
    stream.end(frame)
  })

export const replay = (program: string, runs: number): Promise<Report> =>
  inFolder(async (folder) => {
    const server = await gateway({ name: "sqlite", path: `${folder}/stategate.db` })
    await load(program, server, "stategate-apply", "-fill", String(events / 100), "-c", "8")
    const speeds: Array<number> = []
    const before = cpuSeconds(server.pid)
    for (let run = 0; run < runs; run++) speeds.push(await readAll(server, events))
    const cpu = (cpuSeconds(server.pid) - before) / runs
    await server.stop()
    return {
      title: "Replay: 1,000,000 events of one domain, over gRPC, from sqlite",
      rows: [{ what: "one stream", value: median(speeds), unit: "events/s", more: `${cpu.toFixed(1)} s of processor` }],
      ratios: [{ what: "events/s, in 200,000", value: median(speeds) / 200_000, aim: { min: 1 } }]
    }
  })
