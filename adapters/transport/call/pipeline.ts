import { type DescMessage, type MessageShape, toJson } from "@bufbuild/protobuf"
import { Clock, Context, Effect, Layer, type Scope } from "effect"
import { Access } from "../../../application/access.ts"
import { type Caller, Entities } from "../../../application/entities.ts"
import { type Failure, PermissionDenied, Unauthenticated } from "../../../application/failure.ts"
import { Feed, type FeedStream } from "../../../application/feed/feed.ts"
import { History } from "../../../application/history.ts"
import { claimsBytesMax } from "../../../application/limits.ts"
import type { Principal } from "../../../application/ports/Authenticator.ts"
import type { PolicyInput } from "../../../application/ports/Policy.ts"
import { sha256 } from "../../../application/sha256.ts"
import { parseTraceparent, traceparentText } from "../../../application/traceparent.ts"
import type { Event, Idempotency } from "../../../domain/event.ts"
import { canonicalText, exceedsBytes, type Json, type JsonObject, jsonText } from "../../../domain/json.ts"
import { type Invalid, invalid } from "../../../domain/rejection.ts"
import * as pb from "../../../proto/gen/stategate/stategate_pb.js"
import { Checks, type Header } from "./checks.ts"
import { streamMessage } from "./messages.ts"
import type { Judged, Method, Reply, Services } from "./methods.ts"
import type { Shows } from "./paging.ts"
import { streamRequest } from "./requests.ts"

/** What a call brings beside its message, whatever it came in as. */
export interface Call {
  readonly header: Header
  /** All request headers, for policies. */
  readonly headers: () => JsonObject
  /** Milliseconds until the caller gives up, if it said so. */
  readonly timeoutMs?: number
  /** The authenticated caller, if the protocol asked before it read the message. */
  readonly principal?: Principal | undefined
  /** The gateway's own span of the call, when it records traces; else the caller's counts. */
  readonly traceparent?: string
}

/** A message, or what decodes it: decoding costs too much to do it for callers without permission. */
export type Source<M> = M | (() => M | Invalid)

/** What a stream hands to its protocol: events in order, each with the cursor behind it. */
export interface StreamItem {
  /** Absent when there is only word of where the stream stands. */
  readonly event?: Event
  readonly cursor: string
  /** Whether other streams get the same event object. */
  readonly isShared?: boolean
}

export interface OpenedStream {
  readonly headers: Readonly<Record<string, string>>
  readonly pull: Effect.Effect<ReadonlyArray<StreamItem>, Failure>
}

export const streamPath = `/${pb.EventService.typeName}/${pb.EventService.method.stream.name}`
const expired = new Unauthenticated({
  message: "the token has expired; open the stream again with a new one",
  error: "invalid_token"
})

/**
 * The steps of every call, in this order: authenticate, validate, request policy, use case, response policy. The protocols
 * before it decode and bound what comes in; those behind it encode. There is no other way in.
 */
export class Pipeline extends Context.Service<
  Pipeline,
  {
    /** Authenticates the caller, for protocols that can ask before they read the message. */
    readonly authenticate: (header: Header) => Effect.Effect<Principal, Failure>
    readonly unary: (
      method: Method,
      call: Call,
      source: Source<MessageShape<DescMessage>>
    ) => Effect.Effect<Reply, Failure>
    /** Opens a stream, which ends with the scope. */
    readonly stream: (call: Call, source: Source<pb.StreamOpts>) => Effect.Effect<OpenedStream, Failure, Scope.Scope>
  }
>()("stategate/adapters/transport/call/Pipeline") {
  static readonly layer = Layer.effect(
    Pipeline,
    Effect.gen(function* () {
      const access = yield* Access
      const feed = yield* Feed
      const services: Services = { entities: yield* Entities, history: yield* History }

      const authenticate = (header: Header) => access.authenticate(header("authorization"))

      const unary = Effect.fnUntraced(function* (
        method: Method,
        call: Call,
        source: Source<MessageShape<DescMessage>>
      ) {
        const { claims, eventClaims = claims } = call.principal ?? (yield* authenticate(call.header))
        const message = typeof source === "function" ? source() : source
        if (isInvalid(message)) return yield* Effect.fail(message)
        const checks = new Checks()
        const serve = method.prepare(checks, message, call.header)
        const key = method.mutates ? checks.idempotencyKey(call.header("idempotency-key")) : undefined
        if (method.mutates && exceedsBytes(jsonText(eventClaims), claimsBytesMax)) {
          checks.add("authorization", `must not hold more than ${claimsBytesMax} bytes of claims`)
        }
        if (checks.violations.length > 0) return yield* Effect.fail(invalid(...checks.violations))
        yield* access.admit(method.judged(message).map((judged) => inputOf(call, claims, judged, false)))
        const traceparent = method.mutates ? traceparentOf(call) : undefined
        const caller: Caller = {
          claims: eventClaims,
          ...(key === undefined ? {} : { idempotency: yield* idempotencyOf(method, call, message, claims, key) }),
          ...(traceparent === undefined ? {} : { traceparent })
        }
        const show: Shows = (desc, part) => shows(call, claims, method.path, desc, part)
        return yield* shown(method, message, yield* serve(caller, services, show), show)
      })

      const shows = (
        call: Call,
        claims: JsonObject,
        path: string,
        desc: DescMessage,
        body: MessageShape<DescMessage>
      ) => access.shows(inputOf(call, claims, { method: path, body: () => toJson(desc, body) as Json }, false))

      /** A denied reply is withheld; what a mutation did is answered in any case. */
      const shown = Effect.fnUntraced(function* (
        method: Method,
        message: MessageShape<DescMessage>,
        reply: Reply,
        show: Shows
      ) {
        if (method.judgesItems || (yield* show(method.desc.output, reply.message))) return reply
        const withheld = method.withheld(message)
        if (withheld === undefined) return yield* denied
        return { ...reply, message: withheld }
      })

      const stream = Effect.fnUntraced(function* (call: Call, source: Source<pb.StreamOpts>) {
        const { claims, expiresMs } = call.principal ?? (yield* authenticate(call.header))
        const message = typeof source === "function" ? source() : source
        if (isInvalid(message)) return yield* Effect.fail(message)
        const checks = new Checks()
        const request = streamRequest(checks, message, call.header)
        if (checks.violations.length > 0) return yield* Effect.fail(invalid(...checks.violations))
        const judged: Judged = { method: streamPath, body: () => toJson(pb.StreamOptsSchema, message) as Json }
        yield* access.admit([inputOf(call, claims, judged, true)])
        const opened = yield* feed.open(request)
        return {
          headers: { "stategate-cursor": opened.cursor },
          pull: untilExpiry(itemsOf(call, claims, opened.pull), expiresMs)
        }
      })

      const itemsOf = (call: Call, claims: JsonObject, pull: FeedStream["pull"]) =>
        Effect.gen(function* () {
          const items: Array<StreamItem> = []
          for (const item of yield* pull) {
            const judged: Judged = {
              method: streamPath,
              body: () => toJson(pb.EventSchema, streamMessage(item)) as Json
            }
            if (item.event === undefined || (yield* access.shows(inputOf(call, claims, judged, true)))) items.push(item)
          }
          return items
        })

      return Pipeline.of({ authenticate, unary, stream })
    })
  )
}

export const isInvalid = (message: object): message is Invalid => "_tag" in message && message._tag === "Invalid"

const denied = new PermissionDenied({ message: "the policy does not show you this" })

/** What the events of a call say of its trace. */
const traceparentOf = (call: Call): string | undefined => {
  if (call.traceparent !== undefined) return call.traceparent
  const given = parseTraceparent(call.header("traceparent"))
  return given === undefined ? undefined : traceparentText(given)
}

const inputOf = (call: Call, claims: JsonObject, { method, body }: Judged, serverStream: boolean): PolicyInput => ({
  claims,
  method,
  metadata: call.headers,
  body,
  clientStream: false,
  serverStream
})

/** The same key counts as a retry only with the same request, its preconditions in headers included. */
const idempotencyOf = (
  method: Method,
  call: Call,
  message: MessageShape<DescMessage>,
  claims: JsonObject,
  key: string
): Effect.Effect<Idempotency> =>
  Effect.map(
    Effect.promise(() => {
      const conditions = [call.header("if-match") ?? null, call.header("if-none-match") ?? null]
      const text = canonicalText([method.path, conditions, toJson(method.desc.input, message) as Json])
      return sha256(text)
    }),
    (hash) => ({
      caller: canonicalText([claims.iss ?? null, claims.sub ?? null]),
      key,
      hash
    })
  )

/** Nobody watches on with a token that has run out. */
const untilExpiry = <A>(pull: Effect.Effect<A, Failure>, expiresMs: number | undefined): Effect.Effect<A, Failure> =>
  expiresMs === undefined
    ? pull
    : Effect.flatMap(Clock.currentTimeMillis, (now) =>
        now >= expiresMs
          ? Effect.fail(expired)
          : Effect.timeoutOrElse(pull, { duration: expiresMs - now, orElse: () => Effect.fail(expired) })
      )
