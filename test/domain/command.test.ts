import { describe, expect, it } from "vitest"
import { type Change, type Command, decide, type Precondition } from "../../domain/command.ts"
import type { Ref, State } from "../../domain/entity.ts"
import { methods } from "../../domain/event.ts"
import { type JsonObject, jsonParsed, jsonText, utf8Bytes } from "../../domain/json.ts"
import { valuesBytesMax } from "../../domain/limits.ts"

const ref: Ref = { domain: "d", type: "t", key: "k" }
const none: Precondition = { _tag: "None" }
const absent: Precondition = { _tag: "Absent" }
const exists: Precondition = { _tag: "Exists" }
const versions = (...numbers: ReadonlyArray<bigint>): Precondition => ({ _tag: "Versions", versions: numbers })

const set = (values: JsonObject): Change => ({ _tag: "Set", values })
const edit = (values: JsonObject): Change => ({ _tag: "Edit", values })
const revert = (values: JsonObject): Change => ({ _tag: "Revert", values })
const del: Change = { _tag: "Del" }

const never = undefined
const alive = (version: bigint, values: JsonObject = { a: 1, b: 2 }): State => ({
  ...ref,
  values,
  version,
  deleted: false
})
const tombstone = (version: bigint): State => ({ ...alive(version), deleted: true })

const given = (state: State | undefined) => ({
  when: (change: Change, precondition: Precondition = none) => decide(state, { ref, change, precondition })
})
const made = (method: string, version: bigint, values: JsonObject) => ({
  method,
  entity: { ...ref, values, version }
})
const notFound = { _tag: "NotFound", message: "the entity does not exist" }
const conflict = (current: bigint) => ({ _tag: "Conflict", message: expect.stringContaining(`${current}`), current })

describe("on an entity that never was", () => {
  it("Set, Edit and Revert make version 1", () => {
    expect(given(never).when(set({ x: 1 }))).toEqual(made(methods.set, 1n, { x: 1 }))
    expect(given(never).when(edit({ x: 1 }))).toEqual(made(methods.edit, 1n, { x: 1 }))
    expect(given(never).when(revert({ x: 1 }))).toEqual(made(methods.revert, 1n, { x: 1 }))
  })

  it("Del finds nothing, whatever it expects", () => {
    for (const precondition of [none, absent, exists, versions(1n)]) {
      expect(given(never).when(del, precondition)).toEqual(notFound)
    }
  })

  it("Absent passes; Exists and every version miss, 0 among them", () => {
    for (const change of [set({}), edit({}), revert({})]) {
      expect(given(never).when(change, absent)).toMatchObject({ entity: { version: 1n } })
      expect(given(never).when(change, exists)).toEqual(conflict(0n))
      for (const version of [0n, 1n, -1n, 2n ** 64n]) {
        expect(given(never).when(change, versions(version))).toEqual(conflict(0n))
      }
    }
  })
})

describe("on an entity", () => {
  it("Set and Revert replace the values", () => {
    expect(given(alive(4n)).when(set({ c: 3 }))).toEqual(made(methods.set, 5n, { c: 3 }))
    expect(given(alive(4n)).when(revert({ c: 3 }))).toEqual(made(methods.revert, 5n, { c: 3 }))
  })

  it("Edit replaces the top-level keys that it names and keeps the rest", () => {
    const state = alive(4n, { a: 1, deep: { x: 1, y: 2 } })
    expect(given(state).when(edit({ deep: { x: 9 }, c: null }))).toEqual(
      made(methods.edit, 5n, { a: 1, deep: { x: 9 }, c: null })
    )
    expect(given(state).when(edit({}))).toEqual(made(methods.edit, 5n, { a: 1, deep: { x: 1, y: 2 } }))
  })

  it("Del makes a version, and its event holds the last values", () => {
    expect(given(alive(4n)).when(del)).toEqual(made(methods.del, 5n, { a: 1, b: 2 }))
  })

  it("an expected version must be the current one, or be among several with it", () => {
    for (const change of [set({}), edit({}), revert({}), del]) {
      expect(given(alive(4n)).when(change, versions(4n))).toMatchObject({ entity: { version: 5n } })
      expect(given(alive(4n)).when(change, versions(2n, 4n))).toMatchObject({ entity: { version: 5n } })
      for (const miss of [versions(3n), versions(5n), versions(0n), versions(3n, 5n), versions()]) {
        expect(given(alive(4n)).when(change, miss)).toEqual(conflict(4n))
      }
    }
  })

  it("versions are exact where doubles are not", () => {
    const version = 2n ** 53n
    expect(given(alive(version)).when(set({}), versions(version + 1n))).toEqual(conflict(version))
    expect(given(alive(version + 1n)).when(set({}))).toMatchObject({ entity: { version: version + 2n } })
  })

  it("Exists passes, Absent misses", () => {
    for (const change of [set({}), edit({}), revert({}), del]) {
      expect(given(alive(4n)).when(change, exists)).toMatchObject({ entity: { version: 5n } })
      expect(given(alive(4n)).when(change, absent)).toEqual(conflict(4n))
    }
  })

  it("the state that a decision was made from is not touched", () => {
    const state = Object.freeze(alive(4n, Object.freeze({ a: 1 })))
    expect(given(state).when(edit(Object.freeze({ a: 2 })))).toEqual(made(methods.edit, 5n, { a: 2 }))
    expect(state.values).toEqual({ a: 1 })
  })
})

describe("on a deleted entity", () => {
  it("Set and Revert go on from the tombstone's version, and may name it", () => {
    for (const precondition of [none, absent, versions(5n)]) {
      expect(given(tombstone(5n)).when(set({ x: 1 }), precondition)).toEqual(made(methods.set, 6n, { x: 1 }))
      expect(given(tombstone(5n)).when(revert({ x: 1 }), precondition)).toEqual(made(methods.revert, 6n, { x: 1 }))
    }
  })

  it("an Edit that names the tombstone's version creates anew: nothing of the old values comes back", () => {
    for (const precondition of [none, absent, versions(5n)]) {
      expect(given(tombstone(5n)).when(edit({ x: 1 }), precondition)).toEqual(made(methods.edit, 6n, { x: 1 }))
    }
  })

  it("the version before the deletion misses, and tells the tombstone's", () => {
    for (const change of [set({}), edit({}), revert({})]) {
      expect(given(tombstone(5n)).when(change, versions(4n))).toEqual(conflict(5n))
      expect(given(tombstone(5n)).when(change, exists)).toEqual(conflict(5n))
    }
  })

  it("Del finds nothing, even under the tombstone's version", () => {
    for (const precondition of [none, exists, versions(5n), versions(4n)]) {
      expect(given(tombstone(5n)).when(del, precondition)).toEqual(notFound)
    }
  })
})

describe("the size of values", () => {
  const sized = (bytes: number): JsonObject => ({ v: "x".repeat(bytes - utf8Bytes(jsonText({ v: "" }))) })
  const tooLarge = { _tag: "Invalid", violations: [{ field: "values", rule: expect.stringContaining("1048576") }] }

  it("may reach the limit, and not a byte more", () => {
    expect(given(never).when(set(sized(valuesBytesMax)))).toMatchObject({ entity: { version: 1n } })
    for (const change of [set, edit, revert]) {
      expect(given(never).when(change(sized(valuesBytesMax + 1)))).toEqual(tooLarge)
    }
  })

  it("counts bytes, not characters", () => {
    expect(given(never).when(set({ v: "é".repeat(valuesBytesMax / 2) }))).toEqual(tooLarge)
    expect(given(never).when(set({ v: "𝄞".repeat(valuesBytesMax / 4 - 4) }))).toMatchObject({ entity: { version: 1n } })
  })

  it("of an Edit is that of its result", () => {
    const half = sized(valuesBytesMax / 2).v!
    expect(given(alive(1n, { a: half })).when(edit({ another: half }))).toEqual(tooLarge)
    expect(given(alive(1n, { a: half })).when(edit({ a: half }))).toMatchObject({ entity: { version: 2n } })
    expect(given({ ...tombstone(1n), values: { a: half } }).when(edit({ another: half }))).toMatchObject({
      entity: { version: 2n }
    })
  })

  it("never keeps anyone from deleting", () => {
    expect(given(alive(1n, sized(valuesBytesMax + 1))).when(del)).toMatchObject({ entity: { version: 2n } })
  })

  it("is told only to who met the precondition", () => {
    expect(given(alive(3n)).when(set(sized(valuesBytesMax + 1)), versions(2n))).toEqual(conflict(3n))
  })
})

describe("a key called __proto__", () => {
  const hostile = (): JsonObject => jsonParsed('{"__proto__":{"admin":true}}')

  it("is a key like any other", () => {
    const decision = given(alive(1n, { a: 1 })).when(edit(hostile()))
    if (!("entity" in decision)) throw new Error(decision._tag)
    expect(Object.keys(decision.entity.values)).toEqual(["a", "__proto__"])
    expect(jsonText(decision.entity.values)).toBe('{"a":1,"__proto__":{"admin":true}}')
    expect((decision.entity.values as { admin?: unknown }).admin).toBeUndefined()
    expect(({} as { admin?: unknown }).admin).toBeUndefined()
  })

  it("stays when another key is edited", () => {
    const command: Command = { ref, change: edit({ b: 2 }), precondition: none }
    const decision = decide(alive(1n, hostile()), command)
    if (!("entity" in decision)) throw new Error(decision._tag)
    expect(jsonText(decision.entity.values)).toBe('{"__proto__":{"admin":true},"b":2}')
  })
})
