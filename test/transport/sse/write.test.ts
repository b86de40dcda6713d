import { assert, describe, it } from "@effect/vitest"
import { Effect } from "effect"
import type { Handler } from "../../../adapters/transport/listener/listen.ts"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { restHandler } from "../../../adapters/transport/rest/node.ts"
import { held } from "../../../packages/http2/test/garbage.ts"
import { startGateway } from "../../support/gateway.ts"
import { http1, serve, session, wire } from "../listener/clients.ts"

const target = "/api/events/stream?domain=shop&type=*&beginning=true"

/** A gateway, and all that it writes to its clients, for as long as something holds it. */
const gateway = Effect.gen(function* () {
  const { gate } = yield* Effect.acquireRelease(
    Effect.promise(() => startGateway()),
    ({ close }) => Effect.promise(close)
  )
  const app = restApp(gate)
  const set = (key: string) =>
    Effect.promise(async () => {
      const headers = { "content-type": "application/json" }
      const body = JSON.stringify({ values: {} })
      const { status } = await app.request(`/api/entity/ref/shop/user/${key}`, { method: "POST", headers, body })
      assert.strictEqual(status, 200)
    })
  const written: Array<WeakRef<object>> = []
  const rest = restHandler(app, gate)
  const handler: Handler = (request, response) => {
    const write = response.write.bind(response)
    response.write = (chunk: unknown, ...more: ReadonlyArray<unknown>) => {
      if (chunk instanceof Uint8Array) written.push(new WeakRef(chunk))
      return (write as (...all: ReadonlyArray<unknown>) => boolean)(chunk, ...more)
    }
    return rest(request, response)
  }
  const { port, url } = yield* serve(handler)
  return { port, url, set, written }
})

/** Opens the stream, and gives what waits for an event in it. */
const open = {
  "HTTP/1.1": ({ port }: { readonly port: number }) =>
    Effect.gen(function* () {
      const client = yield* wire(port)
      client.send(http1("GET", target))
      return (key: string) => client.expect(`"key":"${key}"`)
    }),
  "HTTP/2": ({ url }: { readonly url: string }) =>
    Effect.gen(function* () {
      const client = yield* session(url)
      const stream = client.request({ ":path": target })
      stream.on("error", () => {})
      let text = ""
      stream.on("data", (chunk) => {
        text += chunk
      })
      return (key: string) =>
        Effect.callback<void>((resume) => {
          const look = () => {
            if (text.includes(`"key":"${key}"`)) resume(Effect.void)
          }
          stream.on("data", look)
          look()
          return Effect.sync(() => stream.off("data", look))
        })
    })
}

// The bytes of one event are kept for other streams, as long as the event is; those of several at once are not.
const stored = ["a", "b", "c", "d"]
const live = ["e", "f"]

describe("a stream keeps nothing of what its client has read", () => {
  for (const [protocol, opened] of Object.entries(open)) {
    it.live(`over ${protocol}`, () =>
      Effect.gen(function* () {
        const { set, written, ...address } = yield* gateway
        for (const key of stored) yield* set(key)
        const arrives = yield* opened(address)
        yield* arrives("d")
        for (const key of live) {
          yield* set(key)
          yield* arrives(key)
        }
        assert.lengthOf(written, 1 + live.length)
        assert.strictEqual(yield* Effect.promise(() => held(written.slice(0, 1))), 0)
      })
    )
  }
})
