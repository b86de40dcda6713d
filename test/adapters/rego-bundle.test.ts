// Policies in the forms that `opa build` makes: a bundle, of Rego or of Wasm, and the Wasm alone.

import { execFileSync } from "node:child_process"
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { afterAll, assert, describe, expect, it } from "vitest"
import { compile } from "../../adapters/policy/rego/compiler.ts"
import { load } from "../../adapters/policy/rego/load.ts"
import { compiledPolicies } from "../support/rego.ts"

const folder = mkdtempSync(join(tmpdir(), "stategate-bundle-"))
afterAll(() => rmSync(folder, { recursive: true }))

const source = `package stategate.authz
import rego.v1
import data.lib.names
default allow := false
allow if input.who in names.known
allow if input.who in data.extra
`
const lib = `package lib.names
import rego.v1
known contains name if some name in data.people.names`

/** A bundle of these files, as tar and gzip make it. */
const bundle = (files: Readonly<Record<string, string | Uint8Array>>): Uint8Array => {
  const root = mkdtempSync(join(folder, "files-"))
  for (const [path, body] of Object.entries(files)) {
    mkdirSync(join(root, path, ".."), { recursive: true })
    writeFileSync(join(root, path), body)
  }
  return execFileSync("tar", ["-czf", "-", "-C", root, "."])
}

const loaded = (bytes: Uint8Array, data?: string) =>
  load({
    policy: { name: "policy.tar.gz", bytes },
    data: data === undefined ? undefined : { name: "data", bytes: new TextEncoder().encode(data) },
    version: "",
    budgetMs: 1_000,
    folder: compiledPolicies
  })

const decisions = async (bytes: Uint8Array, data?: string) => {
  const { evaluator } = await loaded(bytes, data)
  return ["anna", "otto", "ada"].map((who) => evaluator.allows(JSON.stringify({ who })))
}

const people = JSON.stringify({ names: ["anna"] })
const more = JSON.stringify({ extra: ["ada"], people: { other: 1 } })

const wasmOf = async () => {
  const modules = [
    { path: "a.rego", source },
    { path: "b.rego", source: lib }
  ]
  const { wasm } = await compile({ modules, entrypoints: ["stategate/authz/allow"], version: "v1" }, compiledPolicies)
  return Buffer.from(wasm!, "base64")
}

describe("a bundle", () => {
  it("of Rego is compiled, and its data are where their folder says", async () => {
    const bytes = bundle({ "authz.rego": source, [`${"deep/".repeat(30)}lib.rego`]: lib, "people/data.json": people })
    assert.deepStrictEqual(await decisions(bytes), [true, false, false])
    assert.deepStrictEqual(await decisions(bytes, more), [true, false, true])
  })

  it("of Wasm is used as it is", async () => {
    const bytes = bundle({ "policy.wasm": await wasmOf(), "authz.rego": "not looked at", "people/data.json": people })
    assert.deepStrictEqual(await decisions(bytes), [true, false, false])
  })

  it("that is damaged or empty is refused", async () => {
    const whole = bundle({ "authz.rego": source })
    await expect(loaded(whole.subarray(0, 60))).rejects.toThrow(/^policy.tar.gz: cannot be unpacked/)
    await expect(loaded(bundle({ "a.txt": "" }))).rejects.toThrow(
      "policy.tar.gz: the bundle holds neither Wasm nor Rego"
    )
  })
})

describe("Wasm", () => {
  it("alone is used as it is", async () => {
    assert.deepStrictEqual(await decisions(await wasmOf(), `{"people": ${people}}`), [true, false, false])
  })

  it("that is no policy, or cut off, is refused", async () => {
    const empty = Uint8Array.of(0, 0x61, 0x73, 0x6d, 1, 0, 0, 0)
    await expect(loaded(empty)).rejects.toThrow(/^policy.tar.gz: /)
    await expect(loaded((await wasmOf()).subarray(0, 5_000))).rejects.toThrow(
      "policy.tar.gz: the policy's Wasm is cut off"
    )
  })
})
