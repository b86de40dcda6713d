// The service of the conformance suite: it answers with what the request asks for, and tells how the request arrived.

import { setTimeout as delay } from "node:timers/promises"
import { create, type DescMessage, type DescService, type Message, toBinary } from "@bufbuild/protobuf"
import { type Any, anyPack, anyUnpack } from "@bufbuild/protobuf/wkt"
import { Code, ConnectError, type HandlerContext, type ServiceImpl } from "@connectrpc/connect"
import type { Detail } from "../../adapters/transport/call/status.ts"
import { begun, type Routes } from "../../adapters/transport/connect/routes.ts"
import type { GrpcAnswer, GrpcCall, GrpcMethod } from "../../adapters/transport/grpc/grpc.ts"
import type {
  Failure,
  Header,
  StreamDefinition,
  StreamRequest,
  Suite,
  UnaryDefinition,
  UnaryRequest
} from "./messages.ts"

/** How a request arrived, of which its caller is told. */
interface Arrival {
  readonly headers: Iterable<readonly [name: string, value: string]>
  readonly timeoutMs: number | undefined
  readonly requests: Array<Any>
}

export const conformanceService = (suite: Suite) => {
  const info = suite.message("ConformancePayload.RequestInfo")
  const payload = suite.message("ConformancePayload")

  const requestInfo = ({ headers, timeoutMs, requests }: Arrival) =>
    create(info, {
      requestHeaders: [...headers].map(([name, value]) => ({ name, value: [value] })),
      requests,
      ...(timeoutMs === undefined ? {} : { timeoutMs: BigInt(timeoutMs) })
    })
  const payloadOf = (data: Uint8Array | undefined, requestInfo?: Message) => ({
    payload: create(payload, {
      ...(data === undefined ? {} : { data }),
      ...(requestInfo === undefined ? {} : { requestInfo })
    })
  })
  const detailsOf = (failure: Failure, requestInfo?: Message): Array<Detail> => [
    ...failure.details.map((detail) => {
      const value = anyUnpack(detail, suite.registry)!
      return { desc: suite.registry.getMessage(value.$typeName)!, value }
    }),
    ...(requestInfo === undefined ? [] : [{ desc: info, value: requestInfo }])
  ]

  return {
    routes: routes(suite, { requestInfo, payloadOf, detailsOf }),
    /** The calls with one request once more, for the fast path; `served` is told of each. */
    methods: (served: () => void): ReadonlyMap<string, GrpcMethod> =>
      new Map([
        ...["unary", "idempotentUnary"].map((name): [string, GrpcMethod] => {
          const { input, output, parent, name: wireName } = suite.service.method[name]!
          const method: GrpcMethod = {
            input,
            output,
            refused: () => {},
            begin: (call, read, { done }) => {
              const message = read() as Message
              served()
              const { responseDefinition: definition } = message as UnaryRequest
              const told = requestInfo(arrivalOf(call, input, message))
              return withinDeadline(call, definition?.responseDelayMs ?? 0, done, () => ({
                headers: listsOf(definition?.responseHeaders),
                trailers: listsOf(definition?.responseTrailers),
                ...(definition?.response.case === "error"
                  ? {
                      status: {
                        code: definition.response.value.code,
                        http: 500,
                        message: definition.response.value.message ?? "",
                        details: detailsOf(definition.response.value, told),
                        headers: {}
                      }
                    }
                  : { message: create(output, payloadOf(definition?.response.value, told)) })
              }))
            }
          }
          return [`/${parent.typeName}/${wireName}`, method]
        }),
        streamed(suite, served, { requestInfo, payloadOf, detailsOf })
      ])
  }
}

/** The stream of a server, for the fast path. */
const streamed = (
  suite: Suite,
  served: () => void,
  { requestInfo, payloadOf, detailsOf }: Parts
): [path: string, method: GrpcMethod] => {
  const { input, output, parent, name } = suite.service.method["serverStream"]!
  const begin: GrpcMethod["begin"] = (call, read, sink) => {
    const message = read() as Message
    served()
    const { responseDefinition: definition } = message as StreamRequest
    const info = requestInfo(arrivalOf(call, input, message))
    let hasGone = false
    const until = performance.now() + (call.timeoutMs ?? Number.POSITIVE_INFINITY)
    const send = async () => {
      sink.open(listsOf(definition?.responseHeaders))
      const trailers = listsOf(definition?.responseTrailers)
      for (const [i, data] of (definition?.responseData ?? []).entries()) {
        const [delayMs, leftMs] = [definition?.responseDelayMs ?? 0, until - performance.now()]
        const isLate = delayMs >= leftMs
        await delay(isLate ? Math.max(0, leftMs) : delayMs)
        if (hasGone) return
        if (isLate) return sink.done({ trailers, status: expired })
        const bytes = toBinary(output, create(output, payloadOf(data, i === 0 ? info : undefined)))
        const prefix = Buffer.alloc(5)
        prefix.writeUInt32BE(bytes.length, 1)
        await sink.send(Buffer.concat([prefix, bytes]))
      }
      if (definition?.error === undefined) return sink.done({ trailers })
      const { code, message: text = "" } = definition.error
      const told = detailsOf(definition.error, definition.responseData.length === 0 ? info : undefined)
      sink.done({ trailers, status: { code, http: 500, message: text, details: told, headers: {} } })
    }
    void send()
    return () => {
      hasGone = true
    }
  }
  return [`/${parent.typeName}/${name}`, { input, output, refused: () => {}, begin }]
}

const arrivalOf = (call: GrpcCall, input: DescMessage, message: Message): Arrival => ({
  headers: Object.entries(call.headers()).map(([name, value]) => [name, String(value)] as const),
  timeoutMs: call.timeoutMs,
  requests: [anyPack(input, message)]
})

const listsOf = (headers: ReadonlyArray<Header> = []) =>
  Object.fromEntries(headers.map(({ name, value }) => [name, value]))

const expired = { code: Code.DeadlineExceeded, http: 504, message: "the deadline passed", details: [], headers: {} }

/** Answers after a delay, or as the gateway does when the deadline passes before. */
const withinDeadline = (
  call: GrpcCall,
  delayMs: number,
  done: (answer: GrpcAnswer) => void,
  answer: () => GrpcAnswer
): (() => void) => {
  const isLate = call.timeoutMs !== undefined && call.timeoutMs <= delayMs
  const timer = setTimeout(() => done(isLate ? { status: expired } : answer()), isLate ? call.timeoutMs : delayMs)
  return () => clearTimeout(timer)
}

interface Parts {
  readonly requestInfo: (arrival: Arrival) => Message
  readonly payloadOf: (data: Uint8Array | undefined, requestInfo?: Message) => { readonly payload: Message }
  readonly detailsOf: (failure: Failure, requestInfo?: Message) => Array<Detail>
}

const routes = (suite: Suite, { requestInfo, payloadOf, detailsOf }: Parts): Routes => {
  const tell = (context: HandlerContext, definition: UnaryDefinition | StreamDefinition | undefined) => {
    begun(context)
    for (const { name, value } of definition?.responseHeaders ?? []) append(context.responseHeader, name, value)
    for (const { name, value } of definition?.responseTrailers ?? []) append(context.responseTrailer, name, value)
  }
  const infoOf = (context: HandlerContext, requests: Array<Any>) =>
    requestInfo({ headers: context.requestHeader, timeoutMs: context.timeoutMs(), requests })
  const errorOf = (failure: Failure, info?: Message) =>
    new ConnectError(failure.message ?? "", failure.code, undefined, detailsOf(failure, info))

  const unary = async (definition: UnaryDefinition | undefined, requests: Array<Any>, context: HandlerContext) => {
    tell(context, definition)
    const info = infoOf(context, requests)
    if (definition?.response.case === "error") throw errorOf(definition.response.value, info)
    await delay(definition?.responseDelayMs)
    return payloadOf(definition?.response.value, info)
  }
  const single = (name: string) => (request: UnaryRequest, context: HandlerContext) =>
    unary(request.responseDefinition, [anyPack(suite.message(name), request)], context)

  const implementation = {
    unary: single("UnaryRequest"),
    idempotentUnary: single("IdempotentUnaryRequest"),
    async clientStream(messages: AsyncIterable<UnaryRequest>, context: HandlerContext) {
      begun(context)
      let definition: UnaryDefinition | undefined
      const requests: Array<Any> = []
      for await (const message of messages) {
        definition ??= message.responseDefinition
        requests.push(anyPack(suite.message("ClientStreamRequest"), message))
      }
      return unary(definition, requests, context)
    },
    async *serverStream(request: StreamRequest, context: HandlerContext) {
      const definition = request.responseDefinition
      tell(context, definition)
      const info = infoOf(context, [anyPack(suite.message("ServerStreamRequest"), request)])
      for (const [i, data] of (definition?.responseData ?? []).entries()) {
        await delay(definition?.responseDelayMs)
        yield payloadOf(data, i === 0 ? info : undefined)
      }
      if (definition?.error === undefined) return
      throw errorOf(definition.error, definition.responseData.length === 0 ? info : undefined)
    },
    async *bidiStream(messages: AsyncIterable<StreamRequest>, context: HandlerContext) {
      begun(context)
      let definition: StreamDefinition | undefined
      let requests: Array<Any> = []
      let sent = 0
      let isFullDuplex = false
      for await (const message of messages) {
        if (requests.length === 0 && sent === 0) {
          definition = message.responseDefinition
          tell(context, definition)
        }
        requests.push(anyPack(suite.message("BidiStreamRequest"), message))
        isFullDuplex ||= message.fullDuplex ?? false
        if (!isFullDuplex) continue
        const data = definition?.responseData[sent]
        if (data === undefined) break
        await delay(definition?.responseDelayMs)
        yield payloadOf(data, infoOf(context, requests))
        sent += 1
        requests = []
      }
      const info = infoOf(context, requests)
      for (const data of definition?.responseData.slice(sent) ?? []) {
        await delay(definition?.responseDelayMs)
        yield payloadOf(data, sent++ === 0 ? info : undefined)
      }
      if (definition?.error === undefined) return
      throw errorOf(definition.error, definition.responseData.length === 0 ? info : undefined)
    }
  }
  return (router) => router.service(suite.service, implementation as unknown as ServiceImpl<DescService>)
}

const append = (headers: Headers, name: string, values: ReadonlyArray<string>) => {
  for (const value of values) headers.append(name, value)
}
