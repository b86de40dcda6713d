import { expect, it } from "vitest"
import { JobQueue, QueuedJob } from "../../application/job-queue.ts"
import { queuedBytesMax } from "../../application/limits.ts"
import { setting } from "./samples.ts"

it("a queue is full of what values take in memory, however short their text is", () => {
  const queue = new JobQueue(() => 0)
  const entries = 100_000
  const admitted: Array<QueuedJob> = []
  // An object takes 16 bytes or more on every runtime, and its text three.
  for (let i = 0; i <= queuedBytesMax / (16 * entries); i++) {
    const queued = queue.admit(setting("d", `${i}`, { v: Array.from({ length: entries }, () => ({})) }))
    if (!(queued instanceof QueuedJob)) break
    queue.enqueue(queued)
    admitted.push(queued)
  }
  expect(admitted.length * 16 * entries).toBeLessThanOrEqual(queuedBytesMax)
  expect(queue.bytes).toBeGreaterThan(queuedBytesMax / 2)
  for (const queued of admitted) queue.cancel(queued)
  expect(queue.bytes).toBe(0)
})
