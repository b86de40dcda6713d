import { parentPort, workerData } from "node:worker_threads"
import { type Task, Writing } from "./transaction.ts"

// Commits in a thread of its own, so that a slow disk does not hold up the one that serves calls. Each message is a task,
// whose outcome is posted back; an empty message ends the thread.

const writing = new Writing(workerData as string)
parentPort!.on("message", (task: Task | undefined) => {
  if (task === undefined) {
    writing.close()
    return parentPort!.close()
  }
  parentPort!.postMessage(writing.do(task))
  writing.afterOutcome()
})
