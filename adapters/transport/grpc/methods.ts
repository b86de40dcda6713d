import { DeadlineExceeded } from "../../../application/failure.ts"
import type { Invalid } from "../../../domain/rejection.ts"
import { EventService, type StreamOpts } from "../../../proto/gen/stategate/stategate_pb.js"
import { timerMsMax } from "../call/deadline.ts"
import { CallFailed, type Gate } from "../call/gate.ts"
import { unaryMethods } from "../call/methods.ts"
import { streamPath } from "../call/pipeline.ts"
import { internal, type WireStatus } from "../call/status.ts"
import { streamFrames } from "./event-writer.ts"
import type { GrpcCall, GrpcMethod, GrpcSink } from "./grpc.ts"

/** The calls of the gateway, for the fast path. */
export const grpcMethods = (gate: Gate["Service"]): ReadonlyMap<string, GrpcMethod> => {
  const refused =
    (path: string): GrpcMethod["refused"] =>
    ({ callId }, status) =>
      gate.refused(path, { protocol: "grpc", callId }, status)
  const unary = unaryMethods.map((method): [string, GrpcMethod] => [
    method.path,
    {
      input: method.desc.input,
      output: method.desc.output,
      begin: (call, read, { done }) =>
        gate.begin(method, { ...call, protocol: "grpc" }, read, (outcome) =>
          done("http" in outcome ? { status: outcome } : outcome)
        ),
      refused: refused(method.path)
    }
  ])
  const { input, output } = EventService.method.stream
  return new Map([...unary, [streamPath, { input, output, begin: streaming(gate), refused: refused(streamPath) }]])
}

const streaming =
  (gate: Gate["Service"]): GrpcMethod["begin"] =>
  (call, read, sink) => {
    const left = new AbortController()
    const expire = () => left.abort(new DeadlineExceeded({}))
    const timer = call.timeoutMs === undefined ? undefined : setTimeout(expire, Math.min(call.timeoutMs, timerMsMax))
    stream(gate, call, read as () => StreamOpts | Invalid, sink, left.signal).then((status) => {
      clearTimeout(timer)
      sink.done({ status })
    })
    return () => left.abort()
  }

/** Sends the stream as far as it goes, and tells how it ended: streams do so for a reason, and never because all was said. */
const stream = async (
  gate: Gate["Service"],
  call: GrpcCall,
  read: () => StreamOpts | Invalid,
  sink: GrpcSink,
  signal: AbortSignal
): Promise<WireStatus> => {
  try {
    const live = await gate.stream({ ...call, protocol: "grpc", signal }, read)
    sink.open(live.headers)
    const items = live[Symbol.asyncIterator]()
    // A step in a function of its own holds nothing of what it sent while the next one waits.
    const sendNext = async () => {
      const { done, value } = await items.next()
      return done === true ? internal : sink.send(streamFrames(value))
    }
    while (true) {
      const ended = await sendNext()
      if (ended !== undefined) return ended
    }
  } catch (error) {
    return error instanceof CallFailed ? error.status : internal
  }
}
