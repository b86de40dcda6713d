// The judge of faults must be able to condemn.

import { create } from "@bufbuild/protobuf"
import { Code } from "@connectrpc/connect"
import { assert, test } from "vitest"
import { type Event, EventSchema } from "../../proto/gen/stategate/stategate_pb.js"
import type { Attempt } from "./load.ts"
import { assertLog } from "./verdict.ts"

const eventAt = (position: number, token: string, time = position): Event =>
  create(EventSchema, {
    id: `id-${token}`,
    position: BigInt(position),
    time: BigInt(time),
    entity: { type: "order", key: "k", values: { token } }
  })

const acked = (position: number, ...tokens: ReadonlyArray<string>): Attempt => ({
  domain: "d",
  tokens,
  outcome: { _tag: "Acked", position: BigInt(position), eventId: `id-${tokens.at(-1)}` }
})
const unknown = (...tokens: ReadonlyArray<string>): Attempt => ({
  domain: "d",
  tokens,
  outcome: { _tag: "Unknown", code: Code.Unknown }
})
const refused: Attempt = { domain: "d", tokens: ["r"], outcome: { _tag: "Refused", code: Code.Unavailable } }

const log = [eventAt(1, "a"), eventAt(2, "b0"), eventAt(3, "b1"), eventAt(4, "c")]
const attempts = [acked(1, "a"), acked(3, "b0", "b1"), unknown("c"), unknown("d0", "d1"), refused]

test("a log as it should be passes", () => assertLog(log, attempts))

const wrongs: Readonly<Record<string, readonly [log: ReadonlyArray<Event>, attempts: ReadonlyArray<Attempt>]>> = {
  "an acknowledged write that is lost": [log.slice(0, 3), [...attempts, acked(4, "c")]],
  "a gap": [[log[0]!, log[1]!, log[3]!], attempts],
  "a write that is there twice": [[...log, eventAt(5, "a")], attempts],
  "half of what is one": [[...log, eventAt(5, "d0")], attempts],
  "what is one, apart": [
    [...log, eventAt(5, "d0"), eventAt(6, "x"), eventAt(7, "d1")],
    [...attempts, unknown("x")]
  ],
  "a refused write that is there": [[...log, eventAt(5, "r")], attempts],
  "what nobody wrote": [[...log, eventAt(5, "z")], attempts],
  "a time that stands still": [[...log.slice(0, 3), eventAt(4, "c", 3)], attempts],
  "a receipt of another place": [log, [acked(2, "a"), ...attempts.slice(1)]]
}

for (const [what, [bad, attempted]] of Object.entries(wrongs)) {
  test(`${what} does not`, () => assert.throws(() => assertLog(bad, attempted)))
}
