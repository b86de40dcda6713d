import { Effect, Layer } from "effect"
import { afterEach, beforeEach, describe, expect, it } from "vitest"
import { MemoryStore, port } from "../../../adapters/storage/memory/store.ts"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { applyCommandsMax, pageItemsMax, pageOffsetMax, withheldPagesMax } from "../../../application/limits.ts"
import { EventStore } from "../../../application/ports/EventStore.ts"
import { Policy, type PolicyInput } from "../../../application/ports/Policy.ts"
import { type Gateway, startGateway } from "../../support/gateway.ts"

interface Item {
  readonly key: string
  readonly values?: { readonly n?: number }
}

interface Page {
  readonly entities?: ReadonlyArray<Item>
  readonly events?: ReadonlyArray<{ readonly position: string; readonly entity: Item }>
  readonly nextPageToken?: string
}

/** Gateways over one store, one after the other. */
let store: MemoryStore
let gateway: Gateway
let app: ReturnType<typeof restApp>

const open = async (policy?: Layer.Layer<Policy>) => {
  const parts = { store: Layer.succeed(EventStore, port(store)), ...(policy === undefined ? {} : { policy }) }
  gateway = await startGateway(parts)
  app = restApp(gateway.gate)
}
beforeEach(async () => {
  store = new MemoryStore()
  await open()
})
afterEach(() => gateway.close())

const padded = (n: number) => String(n).padStart(5, "0")

const fill = async (count: number, keyOf = padded, valuesOf: (n: number) => object = (n) => ({ n })) => {
  for (let from = 0; from < count; from += applyCommandsMax) {
    const commands = Array.from({ length: Math.min(applyCommandsMax, count - from) }, (_, i) => ({
      set: { type: "row", key: keyOf(from + i), values: valuesOf(from + i) }
    }))
    const answer = await app.request("/api/entity/apply/many", {
      method: "POST",
      headers: { "content-type": "application/json" },
      body: JSON.stringify({ commands })
    })
    expect(answer.status).toBe(200)
  }
}

type Asked = Readonly<Record<string, string>>

const ask = (of: "entity" | "events", asked: Asked) =>
  app.request(`/api/${of}/search?${new URLSearchParams({ domain: "many", type: "row", limit: "10", ...asked })}`)

const pageOf = async (of: "entity" | "events", asked: Asked): Promise<Page> => {
  const answer = await ask(of, asked)
  const text = await answer.text()
  expect(answer.status, text).toBe(200)
  return JSON.parse(text) as Page
}

/** All pages; each but the first asked for with the token of the one before. */
const walk = async (of: "entity" | "events", asked: Asked, between: () => unknown = () => {}) => {
  const pages: Array<Page> = []
  for (let token = ""; ; ) {
    const page = await pageOf(of, { ...asked, ...(token === "" ? {} : { page_token: token }) })
    pages.push(page)
    token = page.nextPageToken ?? ""
    if (token === "") return pages
    await between()
  }
}

const keysOf = (pages: ReadonlyArray<Page>) => pages.flatMap(({ entities = [] }) => entities.map(({ key }) => key))

const refusal = async (of: "entity" | "events", asked: Asked) => {
  const answer = await ask(of, asked)
  const body = (await answer.json()) as {
    readonly message: string
    readonly details: ReadonlyArray<{
      readonly fieldViolations?: ReadonlyArray<{ readonly field: string; readonly description: string }>
    }>
  }
  const [violation] = body.details[0]?.fieldViolations ?? []
  return { status: answer.status, message: body.message, field: violation?.field, rule: violation?.description }
}

it("goes through more entities than an offset reaches, whichever gateway is asked", async () => {
  const count = pageOffsetMax + pageItemsMax + 1
  await fill(count)
  const limit = String(pageItemsMax)
  const expected = Array.from({ length: count }, (_, n) => padded(n))
  const pages = await walk("entity", { limit }, async () => {
    await gateway.close()
    await open()
  })
  expect(keysOf(pages)).toEqual(expected)
  expect(pages.length).toBe(12)
  const down = await walk("entity", { limit, "sort.field": "n", "sort.reverse": "true" })
  expect(keysOf(down)).toEqual(expected.toReversed())
  const events = await walk("events", { limit, query_string: '{"entity.values.n":{"$gte":500}}' })
  expect(events.flatMap((page) => page.events!).map(({ position }) => Number(position))).toEqual(
    Array.from({ length: count - 500 }, (_, i) => 501 + i)
  )
}, 60_000)

it("finds entities by their own keys and versions, and values of these names as before", async () => {
  await fill(4, padded, (n) => ({ key: `v${n}`, version: n }))
  await fill(
    1,
    () => "00002",
    () => ({ key: "v2", version: 2 })
  )
  const found = async (query: object, sort = "") =>
    keysOf([
      await pageOf("entity", { query_string: JSON.stringify(query), ...(sort === "" ? {} : { "sort.field": sort }) })
    ])
  expect(await found({ ".key": { $gt: "00001" } })).toEqual(["00002", "00003"])
  expect(await found({ ".version": 2 })).toEqual(["00002"])
  expect(await found({}, ".version")).toEqual(["00000", "00001", "00003", "00002"])
  expect(await found({ key: "v1" })).toEqual(["00001"])
  expect(await found({ version: { $lt: 2 } }, "key")).toEqual(["00000", "00001"])
})

describe("a page token", () => {
  beforeEach(() => fill(12))

  it("is of its search alone, and comes without an offset", async () => {
    const asked = { limit: "3", query_string: '{"n":{"$gte":0}}', "sort.field": "n" }
    const token = (await pageOf("entity", asked)).nextPageToken!
    const goesOn = { ...asked, page_token: token }
    expect(keysOf([await pageOf("entity", { ...goesOn, limit: "2" })])).toEqual(["00003", "00004"])
    for (const other of [
      { domain: "more" },
      { type: "other" },
      { query_string: '{"n":{"$gte":1}}' },
      { "sort.field": "m" },
      { "sort.reverse": "true" }
    ] as ReadonlyArray<Asked>) {
      expect(await refusal("entity", { ...goesOn, ...other })).toMatchObject({
        status: 400,
        field: "page_token",
        rule: expect.stringMatching(/^is of another search/)
      })
    }
    expect(await refusal("entity", { ...goesOn, offset: "1" })).toMatchObject({ status: 400, field: "offset" })
    expect(await refusal("entity", { page_token: "nonsense" })).toMatchObject({ status: 400, field: "page_token" })
    expect(await refusal("events", { page_token: token })).toMatchObject({ status: 400, field: "page_token" })
  })

  it("of events is of the same times", async () => {
    const asked = { limit: "5", min: "1", max: String(2n ** 62n) }
    const page_token = (await pageOf("events", asked)).nextPageToken!
    expect((await pageOf("events", { ...asked, page_token })).events!.map(({ position }) => position)).toEqual([
      "6",
      "7",
      "8",
      "9",
      "10"
    ])
    for (const other of [{ min: "2" }, { max: "0" }] as ReadonlyArray<Asked>)
      expect(await refusal("events", { ...asked, page_token, ...other })).toMatchObject({ field: "page_token" })
  })

  it("goes on from a first page that had an offset, and is missing on the last page", async () => {
    const first = await pageOf("entity", { limit: "5", offset: "4" })
    const second = await pageOf("entity", { limit: "5", page_token: first.nextPageToken! })
    expect(keysOf([first, second])).toEqual(Array.from({ length: 8 }, (_, n) => padded(n + 4)))
    expect(second.nextPageToken ?? "").toBe("")
  })

  it("of an item that is sorted by a long text goes on behind it, unless that has changed", async () => {
    const text = (n: number) => `${"x".repeat(3000)}${padded(n)}`
    await fill(
      6,
      (n) => `long${n}`,
      (n) => ({ text: text(n) })
    )
    const asked = { limit: "2", "sort.field": "text", query_string: '{"text":{"$exists":true}}' }
    expect(keysOf(await walk("entity", asked))).toEqual(Array.from({ length: 6 }, (_, n) => `long${n}`))
    const page_token = (await pageOf("entity", asked)).nextPageToken!
    await fill(
      1,
      () => "long1",
      () => ({ text: "y" })
    )
    expect(await refusal("entity", { ...asked, page_token })).toMatchObject({ status: 400, field: "page_token" })
  })
})

it("a page that would be too large is refused, or holds less where that is asked for", async () => {
  for (let n = 0; n < 5; n++)
    await fill(
      1,
      () => `large${n}`,
      () => ({ text: "x".repeat(1_000_000) })
    )
  const refused = await refusal("entity", {})
  expect(refused.status).toBe(429)
  expect(refused.message).toMatch(/lower the limit, or set partial and go on with next_page_token/)
  const pages = await walk("entity", { partial: "true" })
  expect(pages.map(({ entities }) => entities!.length)).toEqual([3, 2])
  // Who has a token knows of pages.
  const token = (await pageOf("entity", { limit: "1" })).nextPageToken!
  expect((await pageOf("entity", { page_token: token })).entities!.length).toBe(3)
})

describe("where a policy withholds items", () => {
  const withholding = (isWithheld: (key: string) => boolean, asked: Array<string> = []) =>
    Layer.succeed(
      Policy,
      Policy.of({
        allowsRequest: () => Effect.succeed(true),
        allowsResponse: ({ method, body }: PolicyInput) =>
          Effect.sync(() => {
            if (!method.endsWith("/Search")) return true
            const shown = body() as unknown as Item & { readonly entity?: Item }
            const { key } = shown.entity ?? shown
            asked.push(key)
            return !isWithheld(key)
          })
      })
    )

  const reopen = async (policy: Layer.Layer<Policy>) => {
    await gateway.close()
    await open(policy)
  }

  it.each([1, 3, 10])("pages of %s pass over them, and no token names one", async (limit) => {
    const key = (n: number) => (n % 7 === 0 ? `open${padded(n)}` : `${n % 2 === 0 ? "a" : "z"}secret${padded(n)}`)
    await fill(100, key)
    await reopen(withholding((name) => name.includes("secret")))
    for (const asked of [{}, { "sort.field": "n" }, { "sort.reverse": "true" }, { query_string: '{"n":{"$lt":90}}' }]) {
      const pages = await walk("entity", { ...asked, limit: String(limit) } as Asked)
      const shown = keysOf(pages)
      expect(new Set(shown).size).toBe(shown.length)
      expect(shown.length).toBe("query_string" in asked ? 13 : 15)
      for (const { nextPageToken = "" } of pages) {
        expect(Buffer.from(nextPageToken, "base64url").toString("latin1")).not.toContain("secret")
      }
    }
    const events = await walk("events", { limit: String(limit) })
    expect(events.flatMap((page) => page.events!).length).toBe(15)
  })

  it("a caller to whom nothing is shown is told when that is all, and when there is too much of it", async () => {
    await fill(pageItemsMax + 1)
    await reopen(withholding(() => true))
    expect(await walk("entity", { limit: "1" })).toEqual([{ entities: [] }])
    await reopen(withholding(() => false))
    await fill(withheldPagesMax * pageItemsMax, (n) => `more${n}`)
    await reopen(withholding(() => true))
    const refused = await refusal("entity", { limit: "1" })
    expect(refused).toMatchObject({
      status: 429,
      message: expect.stringMatching(/^the policy withholds everything in 10 pages/)
    })
  }, 60_000)
})
