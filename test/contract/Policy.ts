// What every policy must do, whatever it allows. What each of them allows is for its own tests to say.

import { Effect, type Layer } from "effect"
import { assert } from "vitest"
import { Policy, type PolicyInput } from "../../application/ports/Policy.ts"
import { methods } from "../../domain/event.ts"
import type { Json, JsonObject } from "../../domain/json.ts"
import { type Law, register } from "./law.ts"

const input = (method: string, claims: JsonObject, body: Json, metadata: JsonObject = {}): PolicyInput => ({
  claims,
  method,
  metadata: () => metadata,
  body: () => body,
  clientStream: false,
  serverStream: method.endsWith("Stream")
})

const deep = (depth: number): Json => {
  let value: Json = "deep"
  for (let level = 0; level < depth; level++) value = { a: value }
  return value
}

const ordinary = ["till", "store", "audit"].flatMap((sub) =>
  [...Object.values(methods), "/stategate.EventService/Stream"].map((method) =>
    input(method, { sub, roles: [sub] }, { domain: sub, type: "thing", key: "a" }, { "user-agent": sub })
  )
)

/** What callers may send, and nobody means well with. */
const hostile: ReadonlyArray<PolicyInput> = [
  input("", {}, null),
  input(methods.set, {}, {}),
  input("/stategate.EntityService/Nothing", {}, []),
  input(methods.set, Object.fromEntries([["__proto__", { admin: true }]]), Object.fromEntries([["__proto__", []]])),
  input(methods.set, { sub: null, exp: 1e308 }, deep(64)),
  input(methods.set, { sub: "𝄞\uffff\u0001" }, { text: "x".repeat(1024 * 1024) }),
  input(methods.del, { roles: Array(1000).fill("a") }, Array(10_000).fill(0), { authorization: "x".repeat(8_000) })
]

const inputs = [...ordinary, ...hostile]

const judge = (one: PolicyInput) =>
  Policy.use((policy) => Effect.result(Effect.all([policy.allowsRequest(one), policy.allowsResponse(one)])))

const yesOrNo: Law<Policy> = {
  name: "a policy answers yes or no, or that it is not available, and throws at nothing",
  check: Effect.forEach(
    inputs,
    Effect.fnUntraced(function* (one) {
      const answer = yield* judge(one)
      if (answer._tag === "Success") for (const allowed of answer.success) assert.isBoolean(allowed)
      else assert.strictEqual(answer.failure._tag, "Unavailable")
    }),
    { discard: true }
  )
}

const repeated: Law<Policy> = {
  name: "the same input gets the same answer, however many are judged at once",
  check: Effect.gen(function* () {
    const alone = yield* Effect.forEach(ordinary, judge)
    const together = yield* Effect.forEach([...ordinary, ...ordinary.toReversed()], judge, { concurrency: "unbounded" })
    assert.deepStrictEqual(together, [...alone, ...alone.toReversed()])
  })
}

export const laws: ReadonlyArray<Law<Policy>> = [yesOrNo, repeated]

export const contract = (name: string, layer: Layer.Layer<Policy, unknown>): void => {
  register(`Policy contract (${name})`, laws, layer)
}
