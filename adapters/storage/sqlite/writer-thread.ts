import { parentPort, workerData } from "node:worker_threads"
import { type Work, Writing } from "./transaction.ts"

// A thread of its own: the disk may take its time, and the one that serves calls does not wait for it. Takes work, does
// it, says what became of it; what is no work asks it to end.

const writing = new Writing(workerData as string)
parentPort!.on("message", (work: Work | undefined) => {
  if (work !== undefined) return parentPort!.postMessage(writing.write(work))
  writing.close()
  parentPort!.close()
})
