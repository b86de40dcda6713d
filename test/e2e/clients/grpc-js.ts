import { fromBinary, toJson } from "@bufbuild/protobuf"
import { anyUnpack } from "@bufbuild/protobuf/wkt"
import * as grpc from "@grpc/grpc-js"
import { loadSync } from "@grpc/proto-loader"
import { BadRequestSchema, ErrorInfoSchema } from "../../../proto/gen/google/rpc/error_details_pb.js"
import { StatusSchema } from "../../../proto/gen/google/rpc/status_pb.js"
import { type EventJson, type Heads, type Json, Refused, type StateClient, type Values } from "./client.ts"

// An implementation of gRPC and of protobuf that has nothing in common with the gateway's own: it reads the proto file.

const root = new URL("../../..", import.meta.url).pathname
const definition = loadSync("stategate/stategate.proto", { includeDirs: [`${root}proto`], longs: String })
const services = grpc.loadPackageDefinition(definition)["stategate"] as grpc.GrpcObject
const constructorOf = (service: string) => services[service] as grpc.ServiceClientConstructor

// google.protobuf.Struct, which this library does not turn into JSON by itself.
const toValue = (json: Json): object =>
  json === null
    ? { nullValue: 0 }
    : typeof json === "number"
      ? { numberValue: json }
      : typeof json === "string"
        ? { stringValue: json }
        : typeof json === "boolean"
          ? { boolValue: json }
          : Array.isArray(json)
            ? { listValue: { values: json.map(toValue) } }
            : { structValue: toStruct(json as Values) }
const toStruct = (values: Values): object => ({
  fields: Object.fromEntries(Object.entries(values).map(([key, value]) => [key, toValue(value)]))
})

interface WireValue {
  readonly numberValue?: number
  readonly stringValue?: string
  readonly boolValue?: boolean
  readonly structValue?: WireStruct
  readonly listValue?: { readonly values?: ReadonlyArray<WireValue> }
}
interface WireStruct {
  readonly fields?: Readonly<Record<string, WireValue>>
}
const fromValue = (value: WireValue): Json =>
  value.structValue !== undefined
    ? fromStruct(value.structValue)
    : value.listValue !== undefined
      ? (value.listValue.values ?? []).map(fromValue)
      : (value.numberValue ?? value.stringValue ?? value.boolValue ?? null)
const fromStruct = ({ fields = {} }: WireStruct): Values =>
  Object.fromEntries(Object.entries(fields).map(([key, value]) => [key, fromValue(value)]))

/** Applies to every Struct of a message; they are all called values or claims. */
const structs = (message: unknown, convert: (struct: never) => unknown): unknown => {
  if (Array.isArray(message)) return message.map((item) => structs(item, convert))
  if (typeof message !== "object" || message === null) return message
  return Object.fromEntries(
    Object.entries(message).map(([name, value]) => [
      name,
      name === "values" || name === "claims" ? convert(value as never) : structs(value, convert)
    ])
  )
}

const metadataOf = (headers: Heads): grpc.Metadata => {
  const metadata = new grpc.Metadata()
  for (const [name, value] of Object.entries(headers)) metadata.set(name, value)
  return metadata
}

const headsOf = (metadata: grpc.Metadata | undefined): Heads =>
  Object.fromEntries(Object.entries(metadata?.getMap() ?? {}).map(([name, value]) => [name, String(value)]))

const refused = (error: grpc.ServiceError, headers: Heads): Refused => {
  const [binary] = error.metadata.get("grpc-status-details-bin")
  const status = binary === undefined ? undefined : fromBinary(StatusSchema, binary as Buffer)
  const details = (status?.details ?? []).flatMap((any) =>
    [BadRequestSchema, ErrorInfoSchema].flatMap((desc) => {
      const detail = anyUnpack(any, desc as typeof ErrorInfoSchema)
      if (detail === undefined) return []
      return [{ "@type": any.typeUrl, ...(toJson(desc as typeof ErrorInfoSchema, detail) as object) }]
    })
  )
  return new Refused(grpc.status[error.code] ?? "", error.details, details, { ...headers, ...headsOf(error.metadata) })
}

export const grpcJsClient = (
  url: string,
  credentials: grpc.ChannelCredentials = grpc.credentials.createInsecure()
): StateClient => {
  const address = new URL(url).host
  const clients = new Map(
    ["EntityService", "EventService"].map((name) => [name, new (constructorOf(name))(address, credentials)])
  )
  return {
    call: (name, message, headers = {}) =>
      new Promise((resolve, reject) => {
        const [service = "", method = ""] = name.split("/")
        const client = clients.get(service)!
        let received: Heads = {}
        const call: grpc.ClientUnaryCall = client[method]!(
          structs(message, toStruct),
          metadataOf(headers),
          (error: grpc.ServiceError | null, answer: unknown) => {
            if (error !== null) reject(refused(error, received))
            else resolve({ message: structs(answer, fromStruct) as never, headers: received })
          }
        )
        call.on("metadata", (metadata: grpc.Metadata) => {
          received = headsOf(metadata)
        })
      }),
    stream: (message, headers = {}) =>
      new Promise((resolve, reject) => {
        const client = clients.get("EventService")!
        const call: grpc.ClientReadableStream<unknown> = client["Stream"]!(message, metadataOf(headers))
        const items = call[Symbol.asyncIterator]()
        call.once("error", (error: grpc.ServiceError) => reject(refused(error, {})))
        call.once("metadata", (metadata: grpc.Metadata) => {
          const received = headsOf(metadata)
          const next = async () => {
            try {
              const { done, value } = await items.next()
              return done ? undefined : (structs(value, fromStruct) as EventJson)
            } catch (error) {
              throw refused(error as grpc.ServiceError, received)
            }
          }
          resolve({ headers: received, next, close: () => call.cancel() })
        })
      }),
    close: () => {
      for (const client of clients.values()) client.close()
    }
  }
}
