// The thread that writes, with accidents at the commit of a key that names one.

import { renameSync } from "node:fs"
import { parentPort, workerData } from "node:worker_threads"
import { type Task, Writing } from "../../adapters/storage/sqlite/transaction.ts"

const path = workerData as string
const writing = new Writing(path)

parentPort!.on("message", (task: Task | undefined) => {
  if (task === undefined) {
    writing.close()
    return parentPort!.close()
  }
  const hits = (accident: string) => task._tag === "Write" && task.steps.some((step) => step.includes(accident))
  if (hits("moves")) renameSync(path, `${path}-moved`)
  if (hits("dies-before")) process.exit()
  const outcome = writing.do(task)
  if (hits("dies-after")) process.exit()
  if (hits("throws-after")) throw new Error("a bug")
  parentPort!.postMessage(outcome)
  writing.afterOutcome()
})
