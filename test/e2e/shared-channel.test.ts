import { create, type DescMessage, fromBinary, type MessageInitShape, toBinary } from "@bufbuild/protobuf"
import { EmptySchema } from "@bufbuild/protobuf/wkt"
import * as grpc from "@grpc/grpc-js"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import {
  EntityRefSchema,
  EntitySchema,
  type Event,
  EventSchema,
  StreamOptsSchema
} from "../../proto/gen/stategate/stategate_pb.js"
import { type GatewayProcess, startGateway } from "../support/process.ts"

// One channel of gRPC is one connection, which all parts of an application share: many streams, and calls beside them.

let gateway: GatewayProcess
beforeAll(async () => {
  gateway = await startGateway()
})
afterAll(() => gateway?.stop())

/** Long enough for a machine that is busy. A call that waits for its turn behind streams that stay open never gets it. */
const patienceMs = 30_000

const encode = <Desc extends DescMessage>(desc: Desc) => ({
  message: (init: MessageInitShape<Desc>) => create(desc, init),
  bytes: (message: ReturnType<typeof create<Desc>>) => Buffer.from(toBinary(desc, message))
})

const onChannel = async (use: (channel: ReturnType<typeof calls>) => Promise<void>) => {
  const client = new grpc.Client(new URL(gateway.url).host, grpc.credentials.createInsecure())
  try {
    await use(calls(client))
  } finally {
    client.close()
  }
}

const calls = (client: grpc.Client) => {
  const [entity, ref, opts] = [encode(EntitySchema), encode(EntityRefSchema), encode(StreamOptsSchema)]
  const nothing = new grpc.Metadata()
  const deadline = () => ({ deadline: Date.now() + patienceMs })
  return {
    set: (init: MessageInitShape<typeof EntitySchema>) =>
      new Promise<unknown>((resolve, reject) => {
        const read = (bytes: Buffer) => fromBinary(EmptySchema, bytes)
        client.makeUnaryRequest(
          "/stategate.EntityService/Set",
          entity.bytes,
          read,
          entity.message(init),
          nothing,
          deadline(),
          (error, answer) => (error === null ? resolve(answer) : reject(error))
        )
      }),
    /** Its error. */
    get: (init: MessageInitShape<typeof EntityRefSchema>, metadata: grpc.Metadata) =>
      new Promise<grpc.ServiceError | null>((resolve) => {
        const read = (bytes: Buffer) => fromBinary(EntitySchema, bytes)
        client.makeUnaryRequest(
          "/stategate.EntityService/Get",
          ref.bytes,
          read,
          ref.message(init),
          metadata,
          deadline(),
          (error) => resolve(error)
        )
      }),
    /** Resolves when it is open. */
    stream: (init: MessageInitShape<typeof StreamOptsSchema>) =>
      new Promise<{ readonly next: () => Promise<Event>; readonly cancel: () => void }>((resolve, reject) => {
        const read = (bytes: Buffer) => fromBinary(EventSchema, bytes)
        const call = client.makeServerStreamRequest(
          "/stategate.EventService/Stream",
          opts.bytes,
          read,
          opts.message(init)
        )
        const events = call[Symbol.asyncIterator]()
        call.once("error", reject)
        call.once("metadata", () =>
          resolve({ next: async () => (await events.next()).value, cancel: () => call.cancel() })
        )
      })
  }
}

describe("one channel", () => {
  for (const count of [260, 900]) {
    test(`carries ${count} streams, and a call beside them`, () =>
      onChannel(async ({ set, stream }) => {
        const domain = `streams-${count}`
        const streams = await Promise.all(Array.from({ length: count }, () => stream({ domain, type: "*" })))
        await set({ domain, type: "t", key: "k", values: { a: 1 } })
        for (const { next } of streams) assert.strictEqual((await next()).entity?.key, "k")
        for (const { cancel } of streams) cancel()
      }))
  }

  const metadataOf = (fields: ReadonlyArray<readonly [name: string, value: string]>) => {
    const metadata = new grpc.Metadata()
    for (const [name, value] of fields) metadata.set(name, value)
    return metadata
  }
  const oversized: Readonly<Record<string, grpc.Metadata>> = {
    "17,000 bytes of metadata": metadataOf([["x-big", "a".repeat(17_000)]]),
    "40,000 bytes of metadata": metadataOf([["x-big", "a".repeat(40_000)]]),
    "60,000 bytes of metadata": metadataOf([["x-big", "a".repeat(60_000)]]),
    "105 fields of metadata": metadataOf(Array.from({ length: 105 }, (_, i) => [`x-${i}`, "y"]))
  }
  for (const [what, metadata] of Object.entries(oversized)) {
    test(`refuses a call with ${what} alone: a stream beside it goes on`, () =>
      onChannel(async ({ set, get, stream }) => {
        const domain = "oversized"
        const { next, cancel } = await stream({ domain, type: "*" })
        const error = await get({ domain, type: "t", key: "k" }, metadata)
        assert.strictEqual(error?.code, grpc.status.RESOURCE_EXHAUSTED)
        assert.match(error?.details ?? "", /16384 bytes or 100 fields/)
        await set({ domain, type: "t", key: "k", values: { a: 1 } })
        assert.strictEqual((await next()).entity?.key, "k")
        cancel()
      }))
  }
})
