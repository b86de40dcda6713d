import { createGrpcTransport } from "@connectrpc/connect-node"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"
import { type EventStream, type Ref, type StateClient, take, type Values, within } from "./clients/client.ts"
import { connectClient } from "./clients/connect.ts"
import { restClient } from "./clients/rest.ts"

// What people use a gateway for, told from the first call to the last, over the wire against a real process on SQLite.

let folder: ReturnType<typeof temporaryFolder>
let gateway: GatewayProcess
beforeAll(async () => {
  folder = temporaryFolder()
  gateway = await startGateway({
    STATEGATE_STORAGE_PROVIDER: JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
  })
})
afterAll(async () => {
  await gateway?.stop()
  folder.remove()
})

const faces: Readonly<Record<string, () => StateClient>> = {
  grpc: () => connectClient(createGrpcTransport({ baseUrl: gateway.url })),
  rest: () => restClient(gateway.url)
}

describe.each(Object.keys(faces))("over %s", (face) => {
  test("an entity is set, edited, found, looked back at and reverted", async () => {
    const client = faces[face]!()
    const house = { domain: `estate-${face}`, type: "house", key: "12-elm-street" }
    const events = await client.stream({ domain: house.domain, type: "house" })

    await client.call("EntityService/Set", {
      ...house,
      values: { price: 450_000, address: { street: "Elm Street", city: "Springwood" }, sold: false }
    })
    const { message: edited } = await client.call("EntityService/Edit", {
      ...house,
      values: { price: 425_000, agent: "Nancy" }
    })
    assert.deepStrictEqual(edited.values, {
      price: 425_000,
      address: { street: "Elm Street", city: "Springwood" },
      sold: false,
      agent: "Nancy"
    })

    const search = { domain: house.domain, type: "house", limit: 10 }
    const inTown = await client.call("EntityService/Search", {
      ...search,
      queryString: JSON.stringify({ "address.city": "Springwood", price: { $lt: 430_000 } })
    })
    assert.deepStrictEqual(inTown.message.entities, [edited])

    const history = await client.call("EventService/Search", {
      ...search,
      queryString: JSON.stringify({ "entity.key": house.key }),
      sort: { field: "time", reverse: true }
    })
    const past = history.message.events ?? []
    assert.deepStrictEqual(
      past.map(({ method, entity }) => [method, entity.values?.["price"]]),
      [
        ["/stategate.EntityService/Edit", 425_000],
        ["/stategate.EntityService/Set", 450_000]
      ]
    )

    const { message: reverted } = await client.call("EntityService/Revert", { ...house, id: past[1]!.id })
    assert.deepStrictEqual(reverted, { ...past[1]!.entity, version: "3" })
    assert.deepStrictEqual((await client.call("EntityService/Get", house)).message, reverted)

    const streamed = await take(events, 3)
    assert.deepStrictEqual(
      streamed.map(({ position, method }) => [position, method.split("/").at(-1)]),
      [
        ["1", "Set"],
        ["2", "Edit"],
        ["3", "Revert"]
      ]
    )
    assert.deepStrictEqual(
      streamed.slice(0, 2).map(({ id }) => id),
      past.map(({ id }) => id).reverse()
    )
    events.close()
  })

  test("three services carry an order through, each hearing of the one before it by a stream", async () => {
    const client = faces[face]!()
    const domain = `shop-${face}`
    const open: Array<EventStream> = []
    const failures: Array<unknown> = []
    let closing = false

    /** A service: hears of one type, and answers each event with a change. */
    const service = async (type: string, react: (key: string, values: Values) => Promise<void>) => {
      const stream = await client.stream({ domain, type })
      open.push(stream)
      const run = async () => {
        for (let event = await stream.next(); event !== undefined; event = await stream.next()) {
          await react(event.entity.key, event.entity.values ?? {})
        }
      }
      void run().catch((error) => closing || failures.push(error))
    }
    const edit = async (type: string, key: string, values: Values, once: string) => {
      await client.call("EntityService/Edit", { domain, type, key, values }, { "idempotency-key": once })
    }

    await service("order", async (key, { status, total = 0 }) => {
      if (status === "placed") await edit("payment", key, { amount: total, status: "paid" }, `pay-${key}`)
    })
    await service("payment", async (key, { status }) => {
      if (status === "paid") await edit("shipment", key, { carrier: "post", status: "sent" }, `ship-${key}`)
    })
    await service("shipment", async (key, { status }) => {
      if (status === "sent") await edit("order", key, { status: "completed" }, `complete-${key}`)
    })

    const customer = await client.stream({ domain, type: "order", key: "o-*" })
    open.push(customer)
    const orders = ["o-1", "o-2", "o-3"]
    await Promise.all(
      orders.map((key, i) =>
        client.call("EntityService/Set", { domain, type: "order", key, values: { status: "placed", total: i + 10 } })
      )
    )
    const completed: Array<string> = []
    while (completed.length < orders.length) {
      const event = await within(customer.next(), `the completion of more orders than ${completed.join(", ")}`)
      assert.isDefined(event, "the stream goes on")
      if (event.entity.values?.["status"] === "completed") completed.push(event.entity.key)
    }
    closing = true
    for (const stream of open) stream.close()

    assert.deepStrictEqual(completed.sort(), orders)
    const at = async (type: string, key: string) =>
      (await client.call("EntityService/Get", { domain, type, key } satisfies Ref)).message.values
    for (const [i, key] of orders.entries()) {
      assert.deepStrictEqual(await at("order", key), { status: "completed", total: i + 10 })
      assert.deepStrictEqual(await at("payment", key), { status: "paid", amount: i + 10 })
      assert.deepStrictEqual(await at("shipment", key), { status: "sent", carrier: "post" })
    }
    assert.deepStrictEqual(failures, [])
  })
})
