import { describe, expect, it } from "vitest"
import { readJson } from "../../domain/json-read.ts"

const read = (text: string, valuesMax = 1_000) => readJson(text, valuesMax)

describe("JSON is read", () => {
  it.each([
    "1",
    '"a"',
    "{}",
    "[]",
    ' { "a" : [ 1 , { "b" : "}]{[:," } ] , "c" : null } ',
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":1}]',
    '{"a":"a","b":"a"}',
    '{"\\\\":1,"\\"":2}',
    '{"a":"\\\\","b":"\\\\\\""}',
    '{"__proto__":{"__proto__":1}}',
    '{"":1," ":1}'
  ])("%s, as by JSON.parse", (text) => {
    expect(read(text)).toEqual({ ok: true, value: JSON.parse(text) })
  })
})

describe("a key that comes twice is refused, by its path", () => {
  it.each([
    ['{"a":1,"a":1}', "a"],
    ['{"a":1,"b":2,"\\u0061":3}', "a"],
    ['{"\\u0061":1,"a":3}', "a"],
    ['{"a":{"b":[0,{"c":1},{"c":1,"d":[{}],"c":2}]}}', "a.b[2].c"],
    ['[[],[{"x":1,"x":1}]]', "[1][0].x"],
    ['{"a":"\\\\","a":1}', "a"],
    ['{"a":"\\"a","a":1}', "a"],
    ['{"a": {"z":"}"} , "a" :1}', "a"],
    ['{"__proto__":1,"__proto__":1}', "__proto__"],
    ['{"toString":1,"b":{"b":{}},"toString":1}', "toString"],
    ['{"":1,"":2}', '""']
  ])("%s", (text, path) => {
    expect(read(text)).toEqual({ ok: false, path, rule: "must not be given twice" })
  })
})

it.each(["", "{", "}", '{"a":1,"a"', '{"a":1,"a":}', '"', '{"a\\', "[1,]", "nul", '{"\\u00":1}'])(
  "%j is no JSON, and says so",
  (text) => {
    expect(read(text)).toMatchObject({ ok: false })
  }
)

describe("a text that makes too many keys and values", () => {
  const lots = "must not hold more than 1000 keys and values"

  it.each([
    ["a list", `[${"0,".repeat(1_000)}0]`],
    ["lists", "[[],".repeat(500)],
    ["objects", `[${"{},".repeat(600)}{}]`],
    ["an object", `{${Array.from({ length: 501 }, (_, i) => `"${i}":0`).join()}}`],
    ["a text that is no JSON", "[".repeat(1_000_000)]
  ])("%s", (_, text) => {
    expect(read(text)).toEqual({ ok: false, path: "", rule: lots })
  })

  it("one less is read", () => {
    expect(read(`[${"0,".repeat(997)}0]`)).toMatchObject({ ok: true })
    expect(read(`["${",:[]{}".repeat(1_000)}"]`)).toMatchObject({ ok: true })
  })
})

it("depth needs no call stack", () => {
  const depth = 50_000
  expect(read(`${'{"a":'.repeat(depth)}1,"a":2${"}".repeat(depth)}`, 1_000_000)).toMatchObject({ ok: false })
})
