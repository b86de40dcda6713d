// A process that logs more than it may hold while nobody reads. Says on standard error how it went, goes on when
// standard input ends, and ends as the gateway does.

import { once } from "node:events"
import { setImmediate as turn } from "node:timers/promises"
import { openLog } from "../../adapters/telemetry/pino/log.ts"

const lines = Number(process.argv[2])
let lost = 0
const { log, waitingChars, drain } = openLog("info", (more) => {
  lost += more
})
const text = "x".repeat(250)
let mostChars = 0
for (let n = 0; n < lines; n++) {
  log.info({ n }, text)
  mostChars = Math.max(mostChars, waitingChars())
  if (n % 100 === 0) await turn()
}
process.stderr.write(`${JSON.stringify({ mostChars, lost })}\n`)
process.stdin.resume()
await once(process.stdin, "end")
log.info("last")
await drain()
process.exit(0)
