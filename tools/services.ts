// `npm run services`: installs the servers that tests use and that are missing here, in .cache/services or by apt. What
// is there stays as it is, and what cannot be installed is told with the reason.

import { cassandra } from "./services/cassandra.ts"
import { ferretdb } from "./services/ferretdb.ts"
import { postgres } from "./services/postgres.ts"

const say = (text: string) => process.stdout.write(`services: ${text}\n`)

for (const { name, isInstalled, install } of [postgres, ferretdb, cassandra]) {
  if (isInstalled()) {
    say(`${name} is there`)
    continue
  }
  say(`installing ${name}`)
  const start = performance.now()
  try {
    await install()
    if (!isInstalled()) throw new Error("it was installed, and is not found")
    say(`${name} is installed, after ${((performance.now() - start) / 1000).toFixed(0)} s`)
  } catch (error) {
    say(`${name} could not be installed: ${error instanceof Error ? error.message : error}`)
    process.exitCode = 1
  }
}
