import { cpus } from "node:os"
import { buildLoad } from "./processes.ts"
import { applies } from "./scenarios/apply.ts"
import { beside } from "./scenarios/beside.ts"
import { fanout } from "./scenarios/fanout.ts"
import { growth, idle } from "./scenarios/growth.ts"
import { http2 } from "./scenarios/http2.ts"
import { replay } from "./scenarios/replay.ts"
import { search } from "./scenarios/search.ts"
import { onStores } from "./scenarios/stores.ts"
import { gets, sets, web } from "./scenarios/unary.ts"
import { print, type Report } from "./table.ts"

// `npm run bench`: everything side by side in one run, since machines differ and drift; ratios are what counts.
// `npm run bench -- gets sets` runs some of it.

const runs = Number(process.env["STATEGATE_BENCH_RUNS"] ?? 3)
const program = buildLoad()

const scenarios: Readonly<Record<string, () => Promise<Report>>> = {
  gets: () => gets(program, runs),
  sets: () => sets(program, runs),
  http2: () => http2(program, runs),
  applies: () => applies(program, runs),
  fanout: () => fanout(runs),
  web: () => web(program, runs),
  replay: () => replay(program, runs),
  beside: () => beside(program),
  search: () => search(program, runs),
  growth: () => growth(program, runs),
  idle: () => idle(runs),
  ...Object.fromEntries(onStores(program, runs))
}

const names = process.argv.length > 2 ? process.argv.slice(2) : Object.keys(scenarios)
process.stdout.write(`${process.version}, ${cpus().length} × ${cpus()[0]?.model}, medians of ${runs}\n`)
for (const name of names) {
  const scenario = scenarios[name]
  if (scenario === undefined) throw new Error(`there is no ${name}; there are: ${Object.keys(scenarios).join(", ")}`)
  print(await scenario())
}
