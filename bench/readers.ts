import { request } from "node:http"
import { percentile } from "./table.ts"

// A thousand readers of one domain, over SSE. Reads as little of each event as tells which one it is, so that the cost
// of reading hides as little as possible of the cost of sending.

const [url, count] = [process.argv[2]!, Number(process.argv[3])]
const arrivals: Array<{ readonly n: number; readonly at: number }> = []
let open = 0

for (let i = 0; i < count; i++) {
  const call = request(`${url}/api/events/stream?domain=fan&type=*`, { headers: { accept: "text/event-stream" } })
  call.once("response", (response) => {
    response.on("data", (chunk: Buffer) => {
      const at = performance.timeOrigin + performance.now()
      const text = chunk.toString("latin1")
      for (let from = text.indexOf('"n":'); from >= 0; from = text.indexOf('"n":', from + 4)) {
        arrivals.push({ n: Number.parseInt(text.slice(from + 4), 10), at })
      }
    })
    if (++open === count) process.stdout.write("ready\n")
  })
  call.on("error", () => {})
  call.end()
}

let input = ""
process.stdin.setEncoding("utf8").on("data", (chunk) => {
  input += chunk
})
process.stdin.once("end", () => {
  const acks = JSON.parse(input) as ReadonlyArray<number>
  // A stream may have an event before the writer has its acknowledgement.
  const waits = arrivals.map(({ n, at }) => Math.max(0, at - acks[n]!)).sort((a, b) => a - b)
  const result = { delivered: waits.length, p50Ms: percentile(waits, 0.5), p99Ms: percentile(waits, 0.99) }
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0))
})
