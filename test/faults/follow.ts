// A reader that follows the domains, and comes back with its cursor whenever it is cut off.

import { setTimeout as sleep } from "node:timers/promises"
import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { type Event, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { domainGlob } from "./load.ts"

export interface Follower {
  /** What it has seen of a domain. */
  readonly seen: (domain: string) => ReadonlyArray<Event>
  /** Resolves when it has come to a position in a domain. */
  readonly reaches: (domain: string, position: bigint) => Promise<void>
  /** Messages of streams that ended because of a rewind, which no fault here causes. */
  readonly rewinds: ReadonlyArray<string>
  readonly stop: () => Promise<void>
}

const beginning = { case: "beginning", value: true } as const
const pauseMs = 20

export const follow = (url: string): Follower => {
  const seen: Array<Event> = []
  const rewinds: Array<string> = []
  const left = new AbortController()
  const client = createClient(EventService, createGrpcTransport({ baseUrl: url }))
  const run = async () => {
    while (!left.signal.aborted) {
      const cursor = seen.at(-1)?.cursor
      const start = cursor === undefined ? beginning : { case: "after" as const, value: cursor }
      try {
        for await (const event of client.stream({ domain: domainGlob, type: "*", start }, { signal: left.signal }))
          seen.push(event)
      } catch (error) {
        const { code, message } = ConnectError.from(error)
        if (code === Code.DataLoss || code === Code.OutOfRange) rewinds.push(message)
        await sleep(pauseMs)
      }
    }
  }
  const running = run()
  const seenIn = (domain: string) => seen.filter(({ entity }) => entity?.domain === domain)
  return {
    seen: seenIn,
    rewinds,
    reaches: async (domain, position) => {
      while ((seenIn(domain).at(-1)?.position ?? 0n) < position) await sleep(pauseMs)
    },
    stop: async () => {
      left.abort()
      await running
    }
  }
}

/** The log of a domain from its beginning, as long as it is now. */
export const logOf = async (url: string, domain: string): Promise<ReadonlyArray<Event>> => {
  const client = createClient(EventService, createGrpcTransport({ baseUrl: url }))
  const log: Array<Event> = []
  // Word of progress tells the end: it comes when there is nothing more.
  const newest = await Promise.all(
    ["order", "item"].map((type) =>
      client.search({ domain, type, limit: 1, sort: { field: "", reverse: true } }).then(({ events }) => events[0])
    )
  )
  const last = newest.reduce(
    (most, event) => (event !== undefined && event.position > most ? event.position : most),
    0n
  )
  if (last === 0n) return log
  for await (const event of client.stream({ domain, type: "*", start: beginning })) {
    log.push(event)
    if (event.position >= last) break
  }
  return log
}
