import { once } from "node:events"
import { connect, createServer, type Socket } from "node:net"
import { ManagedRuntime } from "effect"
import { afterEach, assert, describe, test } from "vitest"
import { layer } from "../../adapters/storage/postgres/store.ts"
import { commitAll, job, refIn, set } from "../contract/event-store/writing.ts"
import { fresh } from "../contract/law.ts"
import { postgresql } from "../services/postgres.ts"
import { use } from "../services/service.ts"

// How often a commit waits for the server. Answers are held back until everything was sent that is sent without them.

const server = use(postgresql)

const cleanups: Array<() => unknown> = []
afterEach(async () => {
  for (const cleanup of cleanups.splice(0).reverse()) await cleanup()
})

/** The messages in what a client sends: a simple query by its first word, any other by its letter. */
const messagesIn = (bytes: Buffer): { readonly messages: ReadonlyArray<string>; readonly rest: Buffer } => {
  const messages: Array<string> = []
  let at = 0
  while (at + 5 <= bytes.length && at + 1 + bytes.readInt32BE(at + 1) <= bytes.length) {
    const end = at + 1 + bytes.readInt32BE(at + 1)
    const type = bytes.toString("latin1", at, at + 1)
    messages.push(type === "Q" ? /\w+/.exec(bytes.toString("utf8", at + 5, end))![0] : type)
    at = end
  }
  return { messages, rest: bytes.subarray(at) }
}

/** A network that, once it is watched, holds back answers from whenever a client sends something. */
const startNetwork = async (to: string) => {
  const { hostname, port } = new URL(to)
  const sockets = new Set<Socket>()
  let isWatched = false
  let isHolding = false
  const held: Array<() => void> = []
  const sent: Array<string> = []
  let noticed = () => {}
  const entrance = createServer((client) => {
    const upstream = connect(Number(port), hostname)
    let rest: Buffer | undefined
    client.on("data", (bytes: Buffer) => {
      upstream.write(bytes)
      // The first message, which has no letter, comes alone.
      if (rest === undefined) {
        rest = Buffer.alloc(0)
        return
      }
      const read = messagesIn(Buffer.concat([rest, bytes]))
      rest = read.rest
      if (!isWatched) return
      isHolding = true
      sent.push(...read.messages)
      noticed()
    })
    upstream.on("data", (bytes: Buffer) => {
      if (isHolding) held.push(() => client.write(bytes))
      else client.write(bytes)
    })
    for (const socket of [client, upstream]) {
      sockets.add(socket)
      socket
        .on("error", () => {})
        .on("close", () => void [client.destroy(), upstream.destroy(), sockets.delete(socket)])
    }
  }).listen(0, "127.0.0.1")
  await once(entrance, "listening")
  cleanups.push(() => {
    entrance.close()
    for (const socket of sockets) socket.destroy()
  })
  const url = new URL(to)
  url.port = String((entrance.address() as { readonly port: number }).port)
  return {
    addr: url.href,
    watch: () => {
      isWatched = true
    },
    /** Waits for these messages, for which no answer is needed, and passes on what they are answered. */
    flight: async (...wanted: ReadonlyArray<string>) => {
      while (sent.length < wanted.length) {
        const more = Promise.withResolvers<void>()
        noticed = more.resolve
        await more.promise
      }
      assert.deepStrictEqual(sent.splice(0), wanted)
      isHolding = false
      for (const answer of held.splice(0)) answer()
    },
    /** What was sent since the last flight. */
    sent: (): ReadonlyArray<string> => sent
  }
}

// A statement that the server knows: bind, execute, sync.
const statement = ["B", "E", "S"]

describe("on PostgreSQL", server.options, () => {
  test.each([
    ["one domain", 1, false],
    ["an idempotency key", 1, true],
    ["many domains", 20, false]
  ])("a commit of %s waits twice: for what it decides on, and for the end", async (_, count, hasKey) => {
    const place = server.fresh()
    const network = await startNetwork(place.addr)
    const runtime = ManagedRuntime.make(layer({ ...place, addr: network.addr }))
    cleanups.push(() => runtime.dispose())
    const domains = Array.from({ length: count }, () => fresh("trips"))
    const commit = (key: string) => {
      const call = hasKey ? { idempotency: { caller: "me", key, hash: "h" } } : {}
      const jobs = (domain: string) => ["a", "b", "c"].map((name) => job(refIn(domain, name), set({ key }), call))
      return runtime.runPromise(commitAll(domains.map((domain) => [domain, jobs(domain)])))
    }
    // The first time the server is told each of the statements.
    await commit("first")
    network.watch()
    const committed = commit("second")
    await network.flight("BEGIN", ...statement, ...statement, ...statement, ...(hasKey ? statement : []))
    await network.flight(...statement, "COMMIT")
    const written = await committed
    assert.deepStrictEqual(network.sent(), [])
    assert.isTrue(written.every(({ head, events }) => head.position === events.at(-1)?.position && head.position > 1n))
  })
})
