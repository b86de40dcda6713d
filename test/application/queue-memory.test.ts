import { expect, it } from "vitest"
import { Entry, JobQueue } from "../../application/job-queue.ts"
import { queuedBytesMax } from "../../application/limits.ts"
import { setting } from "./samples.ts"

it("a queue is full of what values take in memory, however short their text is", () => {
  const queue = new JobQueue(() => 0)
  const entries = 100_000
  const admitted: Array<Entry> = []
  // An object takes 16 bytes or more on every runtime, and its text three.
  for (let i = 0; i <= queuedBytesMax / (16 * entries); i++) {
    const entry = queue.admit(setting("d", `${i}`, { v: Array.from({ length: entries }, () => ({})) }))
    if (!(entry instanceof Entry)) break
    queue.enqueue(entry)
    admitted.push(entry)
  }
  expect(admitted.length * 16 * entries).toBeLessThanOrEqual(queuedBytesMax)
  expect(queue.bytes).toBeGreaterThan(queuedBytesMax / 2)
  for (const entry of admitted) queue.drop(entry)
  expect(queue.bytes).toBe(0)
})
