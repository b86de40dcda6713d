import { create } from "@bufbuild/protobuf"
import { Effect, Latch } from "effect"
import { afterAll, assert, test } from "vitest"
import { unaryMethods } from "../../../adapters/transport/call/methods.ts"
import { EntitySchema } from "../../../proto/gen/stategate/stategate_pb.js"
import { GatedStore } from "../../application/gated-store.ts"
import { startGateway } from "../../support/gateway.ts"

// What a caller is told whose deadline passes. Driven below the protocols, where a commit can be held.

const store = new GatedStore()
const gateway = await startGateway({ store: store.layer() })
afterAll(() => gateway.close())

const set = unaryMethods.find(({ path }) => path.endsWith("EntityService/Set"))!

const setting = (key: string, timeoutMs: number) =>
  new Promise<string>((resolve) => {
    const message = create(EntitySchema, { domain: "d", type: "t", key, values: { n: 1 } })
    const call = { protocol: "grpc", callId: key, header: () => undefined, headers: () => ({}), timeoutMs }
    gateway.gate.begin(set, call, message, (outcome) => {
      resolve("http" in outcome ? outcome.message : `stored as version ${outcome.headers["stategate-version"]}`)
    })
  })

test("a change whose commit is under way when the deadline passes tells what became of it", async () => {
  const late = Latch.makeUnsafe(false)
  store.fault = (commit) => Effect.tap(commit, () => late.await)
  const told = setting("a", 10)
  await new Promise((resolve) => setTimeout(resolve, 100))
  await Effect.runPromise(late.open)
  assert.strictEqual(await told, "stored as version 1")
  store.fault = (commit) => commit
})

test("a change that still waits when the deadline passes is dropped, and told so", async () => {
  await Effect.runPromise(store.gate.close)
  const held = setting("b", 60_000)
  assert.strictEqual(await setting("c", 10), "the deadline passed")
  await Effect.runPromise(store.gate.open)
  assert.strictEqual(await held, "stored as version 1")
  assert.deepStrictEqual(store.keys("d"), ["a", "b"])
})
