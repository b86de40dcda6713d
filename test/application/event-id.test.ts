import { assert, test } from "vitest"
import { newEventId } from "../../application/event-id.ts"

const second = 1_000_000_000n

test("ids have the form of version 4, rise with the time and differ within it", () => {
  const now = 1_790_000_000n * second
  const ids = [now, now, now + second, now + 2n ** 40n].map(newEventId)
  for (const id of ids) assert.match(id, /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  assert.strictEqual(new Set(ids).size, ids.length)
  assert.strictEqual(ids[0]!.slice(0, 13), ids[1]!.slice(0, 13))
  assert.isTrue(ids[1]! < ids[2]! && ids[2]! < ids[3]!)
})
