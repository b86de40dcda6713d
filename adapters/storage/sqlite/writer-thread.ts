import { parentPort, workerData } from "node:worker_threads"
import { type Task, Writing } from "./transaction.ts"

// A thread of its own: the disk may take its time, and the one that serves calls does not wait for it. Takes a task, does
// it, says what became of it; what is no task asks it to end.

const writing = new Writing(workerData as string)
parentPort!.on("message", (task: Task | undefined) => {
  if (task === undefined) {
    writing.close()
    return parentPort!.close()
  }
  parentPort!.postMessage(writing.do(task))
  writing.settle()
})
