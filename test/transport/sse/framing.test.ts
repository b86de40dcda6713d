import { Code } from "@connectrpc/connect"
import { assert, describe, it } from "vitest"
import { type Framing, lineOf, ndjson, sse } from "../../../adapters/transport/sse/framing.ts"

/** What Unicode calls the end of a line, and readers of lines in Python, Java and JavaScript therefore split at. */
const breaks = ["\n", "\r", "\u0085", "\u2028", "\u2029"]
const values = Object.fromEntries(breaks.map((text, i) => [`${i}${text}`, `before${text}after`]))
const status = { code: Code.NotFound, http: 404, message: breaks.join(""), details: [], headers: {} }

const contents: Readonly<Record<string, (framing: Framing) => string>> = {
  "an event": (framing) => framing.item("cursor", lineOf({ values })),
  "a failure": (framing) => framing.failure(status)
}

const jsonOf: Readonly<Record<Framing["protocol"], (text: string) => string>> = {
  ndjson: (text) => text.slice(0, -1),
  sse: (text) => /^data: (.*)$/m.exec(text)![1]!
}

describe("what ends a line in a key or a value ends none of the stream", () => {
  for (const framing of [ndjson, sse]) {
    for (const [what, textOf] of Object.entries(contents)) {
      it(`in ${what}, as ${framing.protocol}`, () => {
        const text = textOf(framing)
        assert.notMatch(text, /[\r\u0085\u2028\u2029]/)
        const json = JSON.parse(jsonOf[framing.protocol](text))
        const inner = what === "an event" ? (json.result ?? json).values : (json.error ?? json).message
        assert.deepStrictEqual(inner, what === "an event" ? values : status.message)
      })
    }
  }
})
