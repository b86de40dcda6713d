// Names are kept as they are: no two of them are one, and none of them is read as anything but a name.

import { Effect } from "effect"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { utf8Bytes } from "../../../domain/json.ts"
import { nameBytesMax } from "../../../domain/limits.ts"
import { fresh, type Law, same } from "../law.ts"
import { entitiesOf } from "./searching.ts"
import { append, logOf, refIn } from "./writing.ts"

const long = (start: string): string => {
  const rest = nameBytesMax - utf8Bytes(start)
  return `${start}${"𝄞".repeat(Math.floor(rest / 4))}${"x".repeat(rest % 4)}`
}

// Pairs that a database may take for one name stand side by side.
const hard = [
  ["a", "A", "á", "a\u0301", "à", "ａ", "a.", "a/", "a/b", "aa", "a_", "ab", "a%", "*", "?", "[a]"],
  [
    "'",
    "''",
    '"',
    "`",
    "\\",
    "\\\\",
    "--",
    ";",
    "';DROP/**/TABLE/**/events;--",
    "$\u007ba}",
    "$a",
    "{}",
    "null",
    "0",
    "00"
  ],
  [
    "__proto__",
    "constructor",
    "toString",
    "ß",
    "ss",
    "ﬁ",
    "fi",
    "𝄞",
    "\uffff",
    "\u200d",
    "i",
    "I",
    "ı",
    "İ",
    "-1",
    "%41"
  ],
  [long("1"), long("2"), `${long("1").slice(0, -1)}y`]
].flat()

const named: Law<EventStore> = {
  name: "names are kept apart and come back exactly, as keys, types and domains",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domain = fresh("names")
    const refs = [...hard.map((name) => refIn(domain, name)), ...hard.map((name) => refIn(domain, "a", name))]
    const made = yield* append(
      domain,
      refs.map(({ key, type }, n) => ({ key, type, values: { n } }))
    )
    for (const [n, ref] of refs.entries()) {
      same((yield* store.state(ref))?.values, { n }, "state")
      same(yield* store.version(ref, 1n), made[n], "version")
      same(yield* store.event(ref, made[n]!.id), made[n], "event")
      same((yield* entitiesOf(domain, ref.type)).find(({ key }) => key === ref.key)?.values, { n }, "entities")
    }
    same(yield* logOf(domain), made, "the log")
    const id = crypto.randomUUID()
    const domains = [...hard.slice(0, -3).map((name) => `${id}${name}`), long(id)]
    for (const [n, name] of domains.entries()) yield* append(name, [{ key: "a", values: { n } }])
    for (const [n, name] of domains.entries()) {
      const log = yield* logOf(name)
      same(
        log.map(({ entity }) => [entity.domain, entity.values]),
        [[name, { n }]],
        "a domain's log"
      )
      same((yield* store.state(refIn(name, "a")))?.values, { n }, "a domain's state")
    }
  })
}

const joined: Law<EventStore> = {
  name: "type and key are two names, not one",
  check: Effect.gen(function* () {
    const store = yield* EventStore
    const domain = fresh("joined")
    const refs = [
      ["a", "bc"],
      ["ab", "c"],
      ["a.b", "c"],
      ["a", "b.c"],
      ["a/b", "c"],
      ["a", "b/c"],
      ["a:b", "c"],
      ["a", "b:c"]
    ]
    yield* append(
      domain,
      refs.map(([type, key], n) => ({ type: type!, key: key!, values: { n } }))
    )
    for (const [n, [type, key]] of refs.entries())
      same((yield* store.state(refIn(domain, key!, type)))?.values, { n }, `${type} and ${key}`)
  })
}

export const names = [named, joined]
