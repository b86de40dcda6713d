import fc from "fast-check"
import { describe, expect, it } from "vitest"
import type { Entity } from "../../domain/entity.ts"
import { type Event, methods } from "../../domain/event.ts"
import type { JsonObject } from "../../domain/json.ts"
import { evaluate, parseQuery, parseSort, type Query, type Subject } from "../../domain/query.ts"

const query = (text: string, subject: Subject = "entity"): Query => {
  const parsed = parseQuery(text, subject)
  if (!parsed.ok) throw new Error(parsed.problem)
  return parsed.query
}

const problem = (text: string, subject: Subject = "entity"): string => {
  const parsed = parseQuery(text, subject)
  return parsed.ok ? "none" : parsed.problem
}

const entity = (values: JsonObject, key = "k"): Entity => ({ domain: "d", type: "t", key, values, version: 1n })

const event = (parts: Partial<Event> = {}): Event => ({
  id: "7f3c",
  position: 9007199254740993n,
  time: 1700000000000000001n,
  method: methods.set,
  entity: { ...entity({ n: 1, tags: ["x", "y"] }, "7"), version: 3n },
  claims: { sub: "anna", roles: ["admin"] },
  idempotency: { caller: "c", key: "retry-1", hash: "00" },
  erased: false,
  ...parts
})

describe("a filter over entities", () => {
  // Filter, values that pass, values that do not.
  it.each<[string, JsonObject[], JsonObject[]]>([
    ["", [{}, { a: 1 }], []],
    ["{}", [{}, { a: 1 }], []],
    [
      '{"a":1}',
      [{ a: 1 }, { a: [2, 1] }, { a: [[2], 1] }],
      [{}, { a: "1" }, { a: true }, { a: [[1]] }, { a: { a: 1 } }]
    ],
    ['{"a":true}', [{ a: true }], [{ a: 1 }, { a: "true" }, { a: false }]],
    ['{"a":"1"}', [{ a: "1" }], [{ a: 1 }]],
    ['{"a":0}', [{ a: 0 }, { a: -0 }], [{ a: false }, { a: null }, { a: "" }]],
    ['{"a":null}', [{ a: null }, { a: [1, null] }], [{}, { a: 0 }, { a: {} }, { a: [] }]],
    ['{"a":1,"b":2}', [{ a: 1, b: 2 }], [{ a: 1 }, { a: 1, b: 3 }]],
    [
      '{"a.b":1}',
      [{ a: { b: 1 } }, { a: [{ b: 2 }, { b: 1 }] }, { a: [{ b: [1] }] }],
      [{ "a.b": 1 }, { a: [[{ b: 1 }]] }]
    ],
    ['{"a\\\\.b":1}', [{ "a.b": 1 }], [{ a: { b: 1 } }]],
    ['{"\\\\$a":1}', [{ $a: 1 }], [{ a: 1 }]],
    ['{"a\\\\\\\\":1}', [{ "a\\": 1 }], [{ a: 1 }]],
    ['{"0":1}', [{ "0": 1 }], [{}]],
    ['{"a.0":1}', [{ a: { "0": 1 } }, { a: [{ "0": 1 }] }], [{ a: [1] }]],
    ['{"__proto__":1}', [JSON.parse('{"__proto__":1}')], [{}, { a: 1 }]],
    ['{"toString":{"$exists":true}}', [{ toString: 1 }], [{}]],
    ['{"a":{"$eq":1}}', [{ a: 1 }], [{ a: 2 }]],
    ['{"a":{"$ne":1}}', [{}, { a: 2 }, { a: "1" }, { a: [] }], [{ a: 1 }, { a: [2, 1] }]],
    ['{"a":{"$ne":null}}', [{}, { a: 1 }], [{ a: null }]],
    ['{"a":{"$gt":1}}', [{ a: 1.5 }, { a: [0, 2] }], [{}, { a: 1 }, { a: "2" }, { a: true }, { a: null }]],
    ['{"a":{"$gte":1,"$lt":3}}', [{ a: 1 }, { a: 2 }, { a: [0, 5] }], [{ a: 3 }, { a: 0 }]],
    ['{"a":{"$lte":-1e308}}', [{ a: -1e308 }, { a: -1.5e308 }], [{ a: 0 }]],
    ['{"a":{"$gt":"\uffff"}}', [{ a: "😀" }], [{ a: "z" }, { a: "\uffff" }, { a: 1 }]],
    ['{"a":{"$in":[1,"x",null]}}', [{ a: 1 }, { a: "x" }, { a: null }, { a: [7, "x"] }], [{}, { a: "1" }, { a: [] }]],
    ['{"a":{"$in":[]}}', [], [{}, { a: 1 }]],
    ['{"a":{"$nin":[1,"x"]}}', [{}, { a: 2 }, { a: null }], [{ a: 1 }, { a: ["x"] }]],
    ['{"a":{"$nin":[]}}', [{}, { a: 1 }], []],
    ['{"a":{"$exists":true}}', [{ a: null }, { a: {} }, { a: [] }, { a: 0 }], [{}, { b: 1 }]],
    ['{"a":{"$exists":false}}', [{}, { b: { a: 1 } }], [{ a: null }]],
    [
      '{"a.b":{"$exists":true}}',
      [{ a: { b: null } }, { a: [1, { b: [] }] }],
      [{ a: [] }, { a: {} }, { a: [[{ b: 1 }]] }]
    ],
    ['{"a":{"$prefix":"ab"}}', [{ a: "ab" }, { a: ["x", "abc"] }], [{ a: "a" }, { a: "xab" }, { a: 1 }]],
    ['{"a":{"$prefix":""}}', [{ a: "" }, { a: "x" }], [{}, { a: 1 }, { a: null }]],
    ['{"a":{"$not":{"$gt":1,"$lt":3}}}', [{}, { a: 1 }, { a: "x" }], [{ a: 2 }]],
    ['{"$and":[{"a":1},{"b":2}]}', [{ a: 1, b: 2 }], [{ a: 1 }]],
    ['{"$or":[{"a":1},{"b":2}]}', [{ a: 1 }, { b: 2 }], [{}, { a: 2, b: 1 }]],
    ['{"$not":{"a":1,"b":2}}', [{}, { a: 1 }], [{ a: 1, b: 2 }]],
    ['{"$or":[{}],"a":1}', [{ a: 1 }], [{}]]
  ])("%s", (text, passing, others) => {
    for (const values of passing) expect([values, evaluate(query(text), entity(values))]).toEqual([values, true])
    for (const values of others) expect([values, evaluate(query(text), entity(values))]).toEqual([values, false])
  })
})

describe("a filter over events", () => {
  it.each<[string, boolean]>([
    ['{"id":"7f3c"}', true],
    ['{"position":9007199254740993}', true],
    ['{"position":9007199254740992}', false],
    ['{"position":"9007199254740993"}', true],
    ['{"position":{"$gt":9007199254740992,"$lt":9007199254740994}}', true],
    ['{"position":{"$lt":99999999999999999999999}}', true],
    ['{"position":{"$gt":-99999999999999999999999}}', true],
    ['{"time":{"$in":[1,1700000000000000001]}}', true],
    ['{"time":1700000000000000000}', false],
    ['{"time":{"$gte":1.7e18}}', true],
    ['{"entity.version":3.0}', true],
    ['{"entity.version":0.3e1}', true],
    ['{"entity.version":"003"}', true],
    ['{"method":{"$prefix":"/stategate.EntityService/"}}', true],
    ['{"request_id":"retry-1"}', true],
    ['{"erased":false}', true],
    ['{"erased":{"$ne":false}}', false],
    ['{"entity.domain":"d","entity.type":"t","entity.key":"7"}', true],
    ['{"entity.values.n":1,"entity.values.tags":"y"}', true],
    ['{"entity.values":{"$exists":true},"claims":{"$exists":true}}', true],
    ['{"entity.values":1}', false],
    ['{"claims.sub":"anna","claims.roles":"admin"}', true],
    ['{"claims.n":1}', false]
  ])("%s is %s", (text, expected) => {
    expect(evaluate(query(text, "event"), event())).toBe(expected)
  })

  it("takes a request id that is not there as missing", () => {
    const { idempotency: _, ...without } = event()
    expect(evaluate(query('{"request_id":{"$exists":false}}', "event"), without)).toBe(true)
    expect(evaluate(query('{"request_id":{"$ne":"retry-1"}}', "event"), without)).toBe(true)
    expect(evaluate(query('{"request_id":{"$lt":"z"}}', "event"), without)).toBe(false)
  })

  it.each([
    ['{"n":1}', /unknown field n; an event has id, time/],
    ['{"entity":1}', /unknown field entity;/],
    ['{"entity\\\\.key":"7"}', /unknown field/],
    ['{"entity.valuesx":1}', /unknown field/],
    ['{"cursor":"x"}', /unknown field/],
    ['{"position":1.5}', /position: takes an integer/],
    ['{"position":1e-1}', /takes an integer/],
    ['{"position":"1.0"}', /takes an integer/],
    ['{"position":""}', /takes an integer/],
    ['{"position":null}', /takes an integer/],
    ['{"time":{"$gt":true}}', /time: \$gt: takes an integer/],
    ['{"time":{"$prefix":"1"}}', /\$prefix is for text/],
    ['{"erased":0}', /erased: takes true or false/],
    ['{"erased":{"$gt":false}}', /takes a number or a string/],
    ['{"entity.key":7}', /entity.key: takes a string/],
    ['{"id":{"$in":["a",1]}}', /id: \$in: takes a string/]
  ])("refuses %s", (text, expected) => {
    expect(problem(text, "event")).toMatch(expected)
  })
})

describe("filters of entities by their own fields", () => {
  const one = { ...entity({ key: "in values", version: 1, n: 1, ".key": "dotted" }, "k7"), version: 9007199254740993n }
  it.each<[string, boolean]>([
    ['{".key":"k7"}', true],
    ['{".key":{"$gt":"k6","$lt":"k8"},"n":1}', true],
    ['{".key":{"$prefix":"k"}}', true],
    ['{".key":"in values"}', false],
    ['{".version":9007199254740993}', true],
    ['{".version":"9007199254740993"}', true],
    ['{".version":9007199254740992}', false],
    ['{".version":{"$gt":9007199254740992,"$lt":9007199254740994}}', true],
    ['{".version":{"$exists":true}}', true],
    // What these found before the fields could be named.
    ['{"key":"in values","version":1}', true],
    ['{"\\\\.key":"dotted"}', true],
    ['{"entity.key":"k7"}', false]
  ])("%s is %s", (text, expected) => {
    expect(evaluate(query(text), one)).toBe(expected)
  })

  it.each([
    ['{".key":7}', /\.key: takes a string/],
    ['{".version":1.5}', /\.version: takes an integer/],
    ['{".version":{"$prefix":"1"}}', /\$prefix is for text/],
    ['{".values":1}', /an entity's own fields are \.key and \.version/],
    ['{".key.a":1}', /own fields are/],
    ['{"..key":1}', /own fields are/],
    ['{".":1}', /own fields are/],
    ['{".toString":1}', /own fields are/]
  ])("refuses %s", (text, expected) => {
    expect(problem(text)).toMatch(expected)
  })

  it("are not of events, which have them by other names", () => {
    expect(problem('{".key":"7"}', "event")).toMatch(/a key is empty/)
  })
})

const nested = (depth: number): string => (depth === 0 ? "{}" : `{"$and":[${nested(depth - 1)}]}`)
const list = (length: number, item: string): string => `[${Array(length).fill(item).join(",")}]`
const path = (length: number): string => Array(length).fill("a").join(".")

describe("a filter that is refused", () => {
  it.each<[string, RegExp]>([
    ["x", /not valid JSON/],
    ['{"a":1', /not valid JSON/],
    ['{"a":1,"a":2}', /the key a is given twice; use \$and for both/],
    ['{"a":1,"\\u0061":1}', /the key a is given twice/],
    ['{"$or":[{"a":1},{"b":{"$gt":1,"$gt":2}}]}', /the key \$or\[1\]\.b\.\$gt is given twice/],
    ['{"__proto__":1,"__proto__":1}', /the key __proto__ is given twice/],
    ['{"a":"\u0000"}', /not valid JSON/],
    ["[]", /is a JSON object/],
    ["null", /is a JSON object/],
    ["7", /is a JSON object/],
    ['{"$where":"1"}', /unknown operator \$where; use \$and, \$or, \$not/],
    ['{"a":{"$regex":"x"}}', /a: unknown operator \$regex; use \$eq, \$ne/],
    ['{"a":{"$toString":1}}', /unknown operator/],
    ['{"$gt":1}', /\$gt stands under a path/],
    ['{"a":{"$or":[]}}', /unknown operator \$or/],
    ['{"a":{}}', /a: an empty object/],
    ['{"a":{"b":1}}', /a: cannot equal an object; use a path for each of its keys, such as a\.b/],
    ['{"a":{"$gt":1,"b":1}}', /a: operators cannot be mixed with the key b/],
    ['{"a":[1]}', /a: cannot equal a list; use \$in/],
    ['{"a":{"$eq":{}}}', /a: \$eq: takes a string, a number/],
    ['{"a":{"$gt":null}}', /a: \$gt takes a number or a string/],
    ['{"a":{"$lte":true}}', /a: \$lte takes a number or a string/],
    ['{"a":{"$in":1}}', /a: \$in takes a list/],
    ['{"a":{"$in":[[1]]}}', /a: \$in: cannot equal a list/],
    ['{"a":{"$exists":1}}', /a: \$exists takes true or false/],
    ['{"a":{"$prefix":1}}', /a: \$prefix takes a string/],
    ['{"a":{"$not":1}}', /a: \$not takes an object of operators/],
    ['{"a":{"$not":{}}}', /a: an empty object/],
    ['{"$not":[]}', /\$not takes a filter/],
    ['{"$and":[]}', /\$and takes a list of filters/],
    ['{"$or":{}}', /\$or takes a list of filters/],
    ['{"$or":[1]}', /\$or takes a list of filters/],
    ['{"":1}', /path "": a key is empty/],
    ['{"a..b":1}', /path a\.\.b: a key is empty/],
    ['{".a":1}', /a key is empty/],
    ['{"a.":1}', /a key is empty/],
    ['{"a\\\\":1}', /ends with/],
    ['{"a":1e400}', /a: the number 1e400 is too large/],
    ['{"a":"\\u0000"}', /U\+0000/],
    ['{"a\\u0000":1}', /U\+0000/],
    ['{"a":"\\ud83d"}', /surrogate/],
    ['{"\\ude00":1}', /surrogate/],
    ['{"a":"\ud83d"}', /surrogate/],
    [`{"a":"${"x".repeat(65536)}"}`, /longer than 65536 bytes/],
    [`{"a":"${"é".repeat(33000)}"}`, /longer than 65536 bytes/],
    [nested(16), /nested deeper than 32 levels/],
    ["[".repeat(10_000) + "]".repeat(10_000), /nested deeper/],
    ['{"a":'.repeat(10_000), /nested deeper/],
    [`{"$or":${list(257, '{"a":1}')}}`, /more than 256 conditions/],
    [`{"$or":${list(257, "{}")}}`, /more than 256 conditions/],
    [`{"a":{"$in":${list(257, "1")}}}`, /at most 256 values/],
    [`{"${path(33)}":1}`, /more than 32 keys/],
    [`{"$or":${list(33, `{"${path(32)}":1}`)}}`, /more than 1024 keys/]
  ])("%.60s", (text, expected) => {
    expect(problem(text)).toMatch(expected)
  })

  it("is refused at the limit and not below it", () => {
    for (const text of [
      nested(15),
      `{"$or":${list(256, '{"a":1}')}}`,
      `{"a":{"$in":${list(256, "1")}}}`,
      `{"${path(32)}":1}`,
      `{"a":"${"x".repeat(65_500)}"}`,
      `{"a":"${"[{".repeat(100)}\\"${"[".repeat(100)}"}`
    ])
      expect(problem(text)).toBe("none")
  })

  it("never makes the reader throw", () => {
    const piece = fc.constantFrom(
      ...'{}[]:,"\\.$',
      "$and",
      "$not",
      '"$in"',
      '{"a":',
      "1",
      "1e999",
      "null",
      "\ud83d",
      "é"
    )
    const text = fc.oneof(fc.json(), fc.string({ unit: piece }), fc.string({ unit: "binary" }))
    fc.assert(
      fc.property(text, fc.constantFrom<Subject>("entity", "event"), (hostile, subject) => {
        parseQuery(hostile, subject)
        parseSort(hostile, false, subject)
      }),
      { numRuns: 2_000 }
    )
  })
})
