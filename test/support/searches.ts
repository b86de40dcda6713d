// Random searches, for showing that a store finds what the definition of filters finds.

import fc from "fast-check"
import type { Entity } from "../../domain/entity.ts"
import { type Event, methods } from "../../domain/event.ts"
import type { Json, JsonObject } from "../../domain/json.ts"
import { parseQuery, type Subject } from "../../domain/query.ts"

// Few keys and few values, so that documents share them; each is here because some database gets it wrong.
const keys = [
  "a",
  "b",
  "c",
  "a.b",
  'q"',
  "it's",
  "$",
  "b\\",
  "",
  "é",
  "𝄞",
  "0",
  "key",
  "__proto__",
  "\n",
  "[0]",
  "?"
] as const
const texts = [
  "",
  "a",
  "ab",
  "1",
  "true",
  "null",
  "é",
  "\uffff",
  "\ue000",
  "𝄞",
  "𝄞a",
  "'",
  '"',
  "[1]",
  "{}",
  "\n",
  "%",
  "A"
]
const numbers = [
  0,
  -0,
  1,
  -1,
  1.5,
  0.1,
  2 ** 53,
  2 ** 53 + 2,
  2 ** 60,
  -(2 ** 63),
  2 ** 63,
  2 ** 64,
  1e21,
  1e308,
  5e-324
]
const scalar = fc.oneof(
  { weight: 3, arbitrary: fc.constantFrom<Json>(null, true, false, 0, 1, "a", "1") },
  { weight: 2, arbitrary: fc.constantFrom<Json>(...texts, ...numbers) },
  { weight: 1, arbitrary: fc.oneof(fc.double({ noNaN: true, noDefaultInfinity: true }), fc.maxSafeInteger()) },
  { weight: 1, arbitrary: fc.string({ unit: "binary", maxLength: 3 }).filter((text) => !text.includes("\u0000")) }
)
const key = fc.oneof(
  { weight: 2, arbitrary: fc.constantFrom("a", "b") },
  { weight: 1, arbitrary: fc.constantFrom<string>(...keys) }
)
const objectOf = (value: fc.Arbitrary<Json>): fc.Arbitrary<JsonObject> =>
  fc.array(fc.tuple(key, value), { maxLength: 4 }).map((entries) => Object.fromEntries(entries))
const { json } = fc.letrec<{ json: Json }>((tie) => ({
  json: fc.oneof(
    { maxDepth: 4, depthSize: "small" },
    { weight: 3, arbitrary: scalar },
    { weight: 2, arbitrary: objectOf(tie("json")) },
    { weight: 2, arbitrary: fc.array(tie("json"), { maxLength: 3 }) }
  )
}))
const values = objectOf(json)

const integers = [1n, 2n, 3n, 9007199254740992n, 9007199254740993n, 9007199254740994n, 2n ** 63n - 2n, 2n ** 63n - 1n]
const integer = fc.constantFrom(...integers)

const entities: fc.Arbitrary<Entity[]> = fc.uniqueArray(
  fc.record({
    domain: fc.constant("d"),
    type: fc.constant("t"),
    // Names are never empty and hold no control characters.
    key: fc.constantFrom(...texts.map((text) => `k${text.replace("\n", "nl")}`), "l"),
    values,
    version: integer
  }),
  { minLength: 3, maxLength: 8, selector: (entity) => entity.key }
)

const name = fc.constantFrom("a", "ab", "7", "𝄞", "\uffff", "A")
const events: fc.Arbitrary<Event[]> = fc.uniqueArray(
  fc.record(
    {
      id: name,
      position: integer,
      time: integer,
      method: fc.constantFrom(...Object.values(methods)),
      entity: fc.record({ domain: name, type: name, key: name, values, version: integer }),
      claims: values,
      erased: fc.boolean(),
      idempotency: fc.record({ caller: name, key: name, hash: name })
    },
    { requiredKeys: ["id", "position", "time", "method", "entity", "claims", "erased"] }
  ),
  { minLength: 3, maxLength: 8, selector: (event) => event.position }
)

/** A path as it is written, and a scalar that stands there (as JSON text). */
type Spot = readonly [path: string, operand: string]

const written = (path: readonly string[]): string => path.map((part) => part.replace(/[\\.$]/g, "\\$&")).join(".")

/** Where a document has something, by the rules of paths; keys that cannot be written in one are left out. */
const spots = (value: Json, path: readonly string[] = []): Spot[] => {
  if (Array.isArray(value)) return value.flatMap((item) => spots(item, path))
  if (typeof value !== "object" || value === null) return [[written(path), JSON.stringify(value)]]
  const inside = Object.entries(value).filter(([part]) => part !== "")
  const here: Spot[] = path.length === 0 ? [] : [[written(path), '"a"']]
  return [...here, ...inside.flatMap(([part, item]) => spots(item, [...path, part]))]
}

const under = (prefix: string, found: readonly Spot[]): Spot[] =>
  found.filter(([path]) => path !== "").map(([path, operand]) => [`${prefix}.${path}`, operand])

const eventSpots = ({ entity, ...event }: Event): Spot[] => [
  ["id", JSON.stringify(event.id)],
  ["time", String(event.time)],
  ["position", `"${event.position}"`],
  ["method", JSON.stringify(event.method)],
  ["erased", String(event.erased)],
  ["request_id", JSON.stringify(event.idempotency?.key ?? "a")],
  ["entity.key", JSON.stringify(entity.key)],
  ["entity.type", JSON.stringify(entity.type)],
  ["entity.domain", JSON.stringify(entity.domain)],
  ["entity.version", String(entity.version)],
  ...under("entity.values", spots(entity.values)),
  ...under("claims", spots(event.claims))
]

const entitySpots = ({ key, version, values }: Entity): Spot[] => [
  [".key", JSON.stringify(key)],
  [".version", String(version)],
  ...spots(values)
]

const wild = fc.oneof(
  { weight: 3, arbitrary: scalar.map((value) => JSON.stringify(value)) },
  {
    weight: 1,
    arbitrary: fc.constantFrom(...integers, -1n, 2n ** 63n, 2n ** 70n, -(2n ** 63n), -(2n ** 70n)).map(String)
  }
)

/** Filters about a spot: mostly with what stands there, else with anything. Some are refused, and left out. */
const conditionAt = ([path, operand]: Spot, others: readonly Spot[]): fc.Arbitrary<string> => {
  const value = fc.oneof(
    { weight: 3, arbitrary: fc.constant(operand) },
    { weight: 1, arbitrary: fc.constantFrom(...others.map(([, other]) => other)) },
    { weight: 1, arbitrary: wild }
  )
  const listed = fc.array(value, { maxLength: 4 }).map((items) => `[${items.join(",")}]`)
  const test = fc.oneof(
    fc.tuple(fc.constantFrom("$eq", "$ne", "$gt", "$gte", "$lt", "$lte"), value),
    fc.tuple(fc.constantFrom("$in", "$nin"), listed),
    fc.tuple(fc.constant("$exists"), fc.constantFrom("true", "false")),
    fc.tuple(
      fc.constant("$prefix"),
      value.map((text) => JSON.stringify(text.startsWith('"') ? [...JSON.parse(text)].slice(0, 1).join("") : "a"))
    )
  )
  const tests = fc.array(test, { minLength: 1, maxLength: 2 }).map((all) => `{${all.map(([op, v]) => `"${op}":${v}`)}}`)
  const condition = fc.oneof(
    { weight: 2, arbitrary: value },
    { weight: 4, arbitrary: tests },
    { weight: 1, arbitrary: tests.map((text) => `{"$not":${text}}`) }
  )
  return condition.map((text) => `{${JSON.stringify(path)}:${text}}`)
}

const filterOver = (found: readonly Spot[], subject: Subject): fc.Arbitrary<string> => {
  const elsewhere = fc
    .array(
      key.filter((part) => part !== ""),
      { minLength: 1, maxLength: 3 }
    )
    .map((path): Spot => [subject === "event" ? `entity.values.${written(path)}` : written(path), "1"])
  const spot = fc.oneof({ weight: 6, arbitrary: fc.constantFrom(...found) }, { weight: 1, arbitrary: elsewhere })
  const leaf = spot
    .chain((at) => conditionAt(at, found))
    // Typed fields refuse some of the operands; the refusals have tests of their own.
    .filter((text) => parseQuery(text, subject).ok)
  return fc.letrec<{ filter: string }>((tie) => ({
    filter: fc.oneof(
      { maxDepth: 3, depthSize: "small" },
      { weight: 4, arbitrary: leaf },
      {
        weight: 2,
        arbitrary: fc
          .tuple(fc.constantFrom("$and", "$or"), fc.array(tie("filter"), { minLength: 1, maxLength: 3 }))
          .map(([op, of]) => `{"${op}":[${of}]}`)
      },
      { weight: 1, arbitrary: tie("filter").map((text) => `{"$not":${text}}`) }
    )
  })).filter
}

/** Some subjects, and filters and a sort that are about them. */
export interface Search {
  readonly subjects: readonly (Entity | Event)[]
  readonly filters: readonly string[]
  readonly field: string
  readonly reverse: boolean
}

/** Searches whose filters mostly find some of the subjects and not others. */
export const searches = (subject: Subject): fc.Arbitrary<Search> =>
  (subject === "entity" ? entities : events).chain((subjects: readonly (Entity | Event)[]) => {
    const found = subjects.flatMap((one) => ("entity" in one ? eventSpots(one) : entitySpots(one)))
    const some: readonly Spot[] = found.length === 0 ? [["a", "1"]] : found
    return fc.record({
      subjects: fc.constant(subjects),
      filters: fc.array(filterOver(some, subject), { minLength: 5, maxLength: 5 }),
      field: fc.constantFrom("", ...some.map(([path]) => path)),
      reverse: fc.boolean()
    })
  })
