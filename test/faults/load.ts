// Writers that write in a loop, and the outcome of every write.

import { setTimeout as sleep } from "node:timers/promises"
import { Code, ConnectError, createClient } from "@connectrpc/connect"
import { createGrpcTransport } from "@connectrpc/connect-node"
import { EntityService } from "../../proto/gen/stategate/stategate_pb.js"

/** Those that are written to, so that commits of several meet; and the glob of no others. */
export const domains = ["faults-a", "faults-b"] as const
export const domainGlob = "faults-[ab]"
const types = ["order", "item"] as const
const keys = 20
const callMs = 20_000
const breathMs = 5

/** One call that writes, and its end. */
export interface Attempt {
  readonly domain: string
  /** In the values of each event that it would make, in order. */
  readonly tokens: ReadonlyArray<string>
  /**
   * Whether it was acknowledged, with the place of its last event; or refused by a gateway that says nothing was stored;
   * or not heard of again.
   */
  readonly outcome:
    | { readonly _tag: "Acked"; readonly position: bigint; readonly eventId: string }
    | { readonly _tag: "Refused"; readonly code: Code }
    | { readonly _tag: "Unknown"; readonly code: Code }
}

// Said by a gateway that lives; by the client's own library, when there is none.
const refusing: ReadonlySet<Code> = new Set([Code.Unavailable, Code.ResourceExhausted, Code.Aborted])
const isOwnWord = (error: ConnectError) => error.metadata.has("x-request-id")

const random = (most: number) => Math.floor(Math.random() * most)

export interface Load {
  /** All attempts that have ended. */
  readonly attempts: ReadonlyArray<Attempt>
  readonly acked: () => number
  /** Resolves after `count` more writes were acknowledged. */
  readonly acks: (more: number) => Promise<void>
  readonly stop: () => Promise<void>
}

/**
 * Writers on some gateways in turn: single Sets and atomic Applies of three, to few entities of two domains, so that they
 * meet.
 */
export const startLoad = (urls: ReadonlyArray<string>, writers = 8): Load => {
  const name = crypto.randomUUID().slice(0, 8)
  const attempts: Array<Attempt> = []
  let isStopped = false
  let calls = 0
  let acked = 0
  const clients = urls.map((baseUrl) => createClient(EntityService, createGrpcTransport({ baseUrl })))

  const attempt = async (token: string, turn: number): Promise<Attempt> => {
    const client = clients[turn % clients.length]!
    const domain = domains[random(domains.length)]!
    const tokens = turn % 4 === 3 ? [`${token}-0`, `${token}-1`, `${token}-2`] : [token]
    const entity = (values: { readonly token: string }) => ({
      type: types[random(types.length)]!,
      key: `k${random(keys)}`,
      values
    })
    let receipt: Headers | undefined
    const onHeader = (header: Headers) => {
      receipt = header
    }
    const options = { timeoutMs: callMs, onHeader }
    try {
      if (tokens.length === 1) await client.set({ domain, ...entity({ token }) }, options)
      else {
        const commands = tokens.map((one) => ({ do: { case: "set" as const, value: entity({ token: one }) } }))
        await client.apply({ domain, commands }, options)
      }
      const position = BigInt(receipt?.get("stategate-position") ?? 0)
      return { domain, tokens, outcome: { _tag: "Acked", position, eventId: receipt?.get("stategate-event-id") ?? "" } }
    } catch (cause) {
      const error = ConnectError.from(cause)
      const isRefused = refusing.has(error.code) && isOwnWord(error)
      return { domain, tokens, outcome: { _tag: isRefused ? "Refused" : "Unknown", code: error.code } }
    }
  }

  const write = async (writer: number) => {
    while (!isStopped) {
      const turn = calls++
      const made = await attempt(`${name}-${writer}-${turn}`, turn)
      attempts.push(made)
      if (made.outcome._tag === "Acked") acked += 1
      else await sleep(breathMs)
    }
  }
  const writing = Array.from({ length: writers }, (_, i) => write(i))
  return {
    attempts,
    acked: () => acked,
    acks: async (more) => {
      for (const wanted = acked + more; acked < wanted; ) await sleep(breathMs)
    },
    stop: async () => {
      isStopped = true
      await Promise.all(writing)
    }
  }
}
