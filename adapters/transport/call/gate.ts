import type { DescMessage, MessageShape } from "@bufbuild/protobuf"
import { Code, ConnectError } from "@connectrpc/connect"
import { codeToString } from "@connectrpc/connect/protocol-connect"
import { Cause, Clock, Context, Effect, Exit, Layer, Scope } from "effect"
import { DeadlineExceeded, type Failure } from "../../../application/failure.ts"
import { callMsMax } from "../../../application/limits.ts"
import type { Principal } from "../../../application/ports/Authenticator.ts"
import { Telemetry } from "../../../application/telemetry.ts"
import { recordingTracer } from "../../../application/tracing.ts"
import type { StreamOpts } from "../../../proto/gen/stategate/stategate_pb.js"
import type { Header } from "./checks.ts"
import type { Method, Reply } from "./methods.ts"
import { type Call, Pipeline, type Source, type StreamItem, streamPath } from "./pipeline.ts"
import { reading } from "./source.ts"
import { type CallSpan, callSpans } from "./spans.ts"
import { canceled, internal, statusOf, type WireStatus } from "./status.ts"

/** A call as a protocol hands it in. */
export interface ProtocolCall extends Call {
  /** For the log: grpc, grpc-web, connect, rest, ndjson or sse. */
  readonly protocol: string
  readonly callId: string
}

/** A call of a protocol handler that works with promises. */
export interface AbortableCall extends ProtocolCall {
  /** Aborts when the caller has gone. */
  readonly signal: AbortSignal
}

/** A call that failed; the status says how, as far as the caller may know. */
export class CallFailed extends Error {
  readonly status: WireStatus

  /** The cause is for the log alone. */
  constructor(status: WireStatus, cause?: unknown) {
    super(status.message, cause === undefined ? undefined : { cause })
    this.status = status
  }
}

/** A stream whose start position is in its headers. Iterating sends it, some items at a time; leaving the loop closes it. */
export interface LiveStream extends AsyncIterable<ReadonlyArray<StreamItem>> {
  readonly headers: Readonly<Record<string, string>>
}

/**
 * Where the promises of the platform meet the effects of the application: the only place that runs calls, names their
 * failures and records each call in the telemetry.
 */
export class Gate extends Context.Service<
  Gate,
  {
    /** Authenticates the caller before anything is read; rejects with `CallFailed`, and records nothing. */
    readonly authenticate: (header: Header, signal: AbortSignal) => Promise<Principal>
    /**
     * Begins a call, and tells its outcome once; before this returns if nothing has to be waited for. What is returned
     * is for a caller that leaves before that.
     */
    readonly begin: (
      method: Method,
      call: ProtocolCall,
      source: Source<MessageShape<DescMessage>>,
      done: (outcome: Reply | WireStatus) => void
    ) => () => void
    /** The same as a promise, which rejects with `CallFailed` and nothing else. */
    readonly unary: (method: Method, call: AbortableCall, message: MessageShape<DescMessage>) => Promise<Reply>
    /** Resolves once the stream misses nothing any more; iterating it rejects with `CallFailed` and nothing else. */
    readonly stream: (call: AbortableCall, source: Source<StreamOpts>) => Promise<LiveStream>
    /** For a call that never reached its method: counts and logs it like any other. The cause is for the log alone. */
    readonly refused: (
      path: string,
      call: Pick<ProtocolCall, "protocol" | "callId"> & { readonly since?: number },
      status: Pick<WireStatus, "code" | "reason">,
      cause?: unknown
    ) => void
  }
>()("stategate/adapters/transport/call/Gate") {
  static readonly layer = Layer.effect(
    Gate,
    Effect.gen(function* () {
      const pipeline = yield* Pipeline
      const telemetry = yield* Telemetry
      const tracer = yield* recordingTracer
      const spanOf = tracer === undefined ? undefined : callSpans(tracer, yield* Clock.Clock)
      let calls = 0
      telemetry.registerGauge("calls", () => calls)
      const context = yield* Effect.context<never>()
      const fork = Effect.runForkWith(context)
      const run = Effect.runPromiseExitWith(context)

      type About = {
        readonly domain?: string
        readonly type?: string
        readonly sent?: number
        readonly drained?: true
        readonly cause?: unknown
      }
      const record = (
        path: string,
        call: Pick<ProtocolCall, "protocol" | "callId">,
        since: number,
        code: string,
        reason: string | undefined,
        about: About,
        span?: CallSpan
      ) => {
        span?.end(code, about.cause)
        telemetry.recordCall({
          method: path,
          protocol: call.protocol,
          code,
          durationMs: performance.now() - since,
          callId: call.callId,
          traceId: span?.traceId,
          ...(reason === undefined ? {} : { reason }),
          ...about
        })
      }

      const authenticate = async (header: Header, signal: AbortSignal) => {
        const exit = await run(pipeline.authenticate(header), { signal })
        if (Exit.isSuccess(exit)) return exit.value
        const { status, cause } = failureOf(exit.cause, hasExpired(signal))
        throw new CallFailed(status, cause)
      }

      const begin: Gate["Service"]["begin"] = (method, call, source, done) => {
        const since = performance.now()
        const { read, names } = reading(source, method.about)
        let expired = false
        const span = spanOf?.(method.path, call)
        const served =
          span === undefined
            ? pipeline.unary(method, call, read)
            : span.around(pipeline.unary(method, { ...call, traceparent: span.traceparent }, read))
        calls += 1
        // A change may be dropped while it waits for its commit; once under way, its outcome is answered whatever happens.
        const fiber = fork(served, { uninterruptible: method.mutates })
        const expire = () => {
          expired = true
          fiber.interruptUnsafe()
        }
        // Most reads are over by now, and cost no timer.
        const isOver = fiber.pollUnsafe() !== undefined
        const timer = isOver ? undefined : setTimeout(expire, Math.min(call.timeoutMs ?? callMsMax, callMsMax))
        fiber.addObserver((exit) => {
          clearTimeout(timer)
          calls -= 1
          const about = names()
          if (Exit.isSuccess(exit)) {
            record(method.path, call, since, "ok", undefined, about, span)
            return done(exit.value)
          }
          const { status, ...more } = failureOf(exit.cause, expired)
          record(method.path, call, since, nameOf(status.code), status.reason, { ...about, ...more }, span)
          done(status)
        })
        return () => fiber.interruptUnsafe()
      }

      const unary: Gate["Service"]["unary"] = (method, call, message) =>
        new Promise<Reply>((resolve, reject) => {
          let isOver = false
          let leave = () => {}
          const cancel = begin(method, call, message, (outcome) => {
            isOver = true
            leave()
            if ("http" in outcome) reject(new CallFailed(outcome))
            else resolve(outcome)
          })
          if (isOver) return
          if (call.signal.aborted) return cancel()
          call.signal.addEventListener("abort", cancel)
          leave = () => call.signal.removeEventListener("abort", cancel)
        })

      const stream = async (call: AbortableCall, source: Source<StreamOpts>): Promise<LiveStream> => {
        const since = performance.now()
        let wantsProgress = false
        const { read, names } = reading(source, (message) => {
          wantsProgress = message.progress
          return message
        })
        const span = spanOf?.(streamPath, call)
        const scope = Scope.makeUnsafe()
        let sent = 0
        const end = async ({ status, ...more }: Failed, hasBegun: boolean) => {
          await run(Scope.close(scope, Exit.void))
          // A stream that goes on at another gateway has not failed.
          const code = more.drained && hasBegun ? "ok" : nameOf(status.code)
          record(streamPath, call, since, code, status.reason, { ...names(), sent, ...more }, span)
        }
        const opening = Scope.provide(pipeline.stream(call, read), scope)
        const opened = await run(span === undefined ? opening : span.around(opening), { signal: call.signal })
        if (Exit.isFailure(opened)) {
          const failed = failureOf(opened.cause, hasExpired(call.signal))
          await end(failed, false)
          throw new CallFailed(failed.status)
        }
        const { headers, pull } = opened.value
        const tellsProgress = wantsProgress || call.protocol === "sse"
        let isOver = false
        /** What waits for the next items. */
        let pulling: { interruptUnsafe: () => void } | undefined
        // One listener for all that is ever waited for: to add and remove one each time costs as much as an item.
        let hasLeft = call.signal.aborted
        const interrupt = () => {
          hasLeft = true
          pulling?.interruptUnsafe()
        }
        call.signal.addEventListener("abort", interrupt)
        const pulled = (): Promise<Exit.Exit<ReadonlyArray<StreamItem>, Failure>> =>
          new Promise((resolve) => {
            const fiber = fork(pull)
            pulling = fiber
            fiber.addObserver(resolve)
            if (hasLeft) fiber.interruptUnsafe()
          })
        const over = async (failed: Failed): Promise<void> => {
          if (isOver) return
          isOver = true
          call.signal.removeEventListener("abort", interrupt)
          await end(failed, true)
        }
        // No generator: it would hold the items that it gave last for as long as it waits for the next ones, and those of
        // a hundred replays grow old in memory, where collecting them takes many times as long.
        const items: AsyncIterator<ReadonlyArray<StreamItem>> = {
          next: async () => {
            while (!isOver) {
              const exit = await pulled()
              if (Exit.isFailure(exit)) {
                const ended = failureOf(exit.cause, hasExpired(call.signal))
                await over(ended)
                throw new CallFailed(ended.status)
              }
              const value = tellsProgress ? exit.value : exit.value.filter(({ event }) => event !== undefined)
              for (const { event } of value) if (event !== undefined) sent += 1
              if (value.length > 0) return { done: false, value }
            }
            return { done: true, value: undefined }
          },
          // A caller that has gone leaves the loop without a word.
          return: async () => {
            await over({ status: hasExpired(call.signal) ? deadlineExceeded : canceled })
            return { done: true, value: undefined }
          }
        }
        return { headers, [Symbol.asyncIterator]: () => items }
      }

      return Gate.of({
        authenticate,
        begin,
        unary,
        stream,
        refused: (path, call, status, cause) =>
          record(path, call, call.since ?? performance.now(), nameOf(status.code), status.reason, {
            ...(cause === undefined ? {} : { cause }),
            ...(path === streamPath ? { sent: 0 } : {})
          })
      })
    })
  )
}

const deadlineExceeded = statusOf(new DeadlineExceeded({}))

/** Whether a caller has gone because its deadline has passed: protocols say so in the abort reason. */
const hasExpired = ({ reason }: AbortSignal): boolean =>
  reason instanceof DeadlineExceeded || (reason instanceof ConnectError && reason.code === Code.DeadlineExceeded)

const nameOf = (code: Code): string => codeToString(code)

/** What the caller gets, and what only the log gets. */
interface Failed {
  readonly status: WireStatus
  readonly cause?: unknown
  readonly drained?: true
}

const failureOf = (cause: Cause.Cause<Failure>, expired = false): Failed => {
  const failure = Cause.findErrorOption(cause)
  if (failure._tag === "Some") {
    const status = statusOf(failure.value)
    if (failure.value._tag === "Draining") return { status, drained: true }
    const inner = "cause" in failure.value ? failure.value.cause : undefined
    return { status, ...(inner === undefined ? {} : { cause: inner }) }
  }
  if (Cause.hasInterruptsOnly(cause)) return { status: expired ? deadlineExceeded : canceled }
  return { status: internal, cause: Cause.squash(cause) }
}
