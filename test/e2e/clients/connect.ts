import { type DescMethod, type DescMethodUnary, fromJson, toJson } from "@bufbuild/protobuf"
import { anyPack } from "@bufbuild/protobuf/wkt"
import { type Code, ConnectError, type Transport } from "@connectrpc/connect"
import { codeToString } from "@connectrpc/connect/protocol-connect"
import { BadRequestSchema, ErrorInfoSchema } from "../../../proto/gen/google/rpc/error_details_pb.js"
import { EntityService, EventService } from "../../../proto/gen/stategate/stategate_pb.js"
import { type EventJson, Refused, type StateClient, type Values } from "./client.ts"

export const codeName = (code: Code): string => codeToString(code).toUpperCase()

const refused = (error: unknown): Refused => {
  if (!(error instanceof ConnectError)) throw error
  const details = [BadRequestSchema, ErrorInfoSchema].flatMap((desc) =>
    error.findDetails(desc).map((detail) => {
      const { typeUrl } = anyPack(desc as typeof ErrorInfoSchema, detail as never)
      return { "@type": typeUrl, ...(toJson(desc as typeof ErrorInfoSchema, detail as never) as object) }
    })
  )
  return new Refused(codeName(error.code), error.rawMessage, details, Object.fromEntries(error.metadata))
}

const unary = (name: string): DescMethodUnary => {
  const method = [EntityService, EventService]
    .flatMap<DescMethod>((service) => service.methods)
    .find(({ parent, name: own }) => `${parent.name}/${own}` === name)
  if (method?.methodKind !== "unary") throw new Error(`${name} is no unary call`)
  return method as DescMethodUnary
}

/** gRPC, gRPC-web or Connect, as the transport has it. */
export const connectClient = (transport: Transport): StateClient => ({
  call: async (name, message, headers = {}) => {
    const method = unary(name)
    try {
      const request = fromJson(method.input, message as never)
      const answer = await transport.unary(method, undefined, undefined, headers, request as never)
      const all = { ...Object.fromEntries(answer.trailer), ...Object.fromEntries(answer.header) }
      return { message: toJson(method.output, answer.message as never) as never, headers: all }
    } catch (error) {
      throw refused(error)
    }
  },
  stream: async (message, headers = {}) => {
    const method = EventService.method.stream
    const left = new AbortController()
    const requests = (async function* () {
      yield fromJson(method.input, message as never)
    })()
    try {
      const answer = await transport.stream(method, left.signal, undefined, headers, requests)
      const items = answer.message[Symbol.asyncIterator]()
      return {
        headers: Object.fromEntries(answer.header),
        next: async () => {
          try {
            const { done, value } = await items.next()
            return done ? undefined : (toJson(method.output, value) as Values as unknown as EventJson)
          } catch (error) {
            throw refused(error)
          }
        },
        close: () => left.abort()
      }
    } catch (error) {
      throw refused(error)
    }
  },
  close: () => {}
})
