import { assert } from "vitest"
import { type Answer, type Heads, type Ref, refusal, type StateClient, take, within } from "./client.ts"

const uuid = /^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/

/** The receipt of a change, each part of which must be there and look as it should. */
const receiptOf = ({ headers }: Answer<unknown>) => {
  const version = headers["stategate-version"]
  assert.match(headers["stategate-event-id"]!, uuid)
  assert.match(headers["stategate-time"]!, /^\d{19}$/)
  assert.strictEqual(headers["etag"], `"${version}"`)
  return {
    version,
    position: headers["stategate-position"],
    time: headers["stategate-time"]!,
    eventId: headers["stategate-event-id"]!,
    replayed: headers["stategate-replayed"] ?? "false"
  }
}

const places = ({ version, position }: ReturnType<typeof receiptOf>) => ({ version, position })

/** Everything that a client does, in a domain of its own, with what it must be told each time. */
export const round = async (client: StateClient, domain: string): Promise<void> => {
  const lamp = { domain, type: "user", key: "lamp" }
  let calls = 0
  // Each call brings an id of its own, and each answer, good or bad, must carry it.
  const call: StateClient["call"] = async (name, message, headers = {}) => {
    const id = `${domain}-call-${++calls}`
    const carries = (heads: Heads) => assert.strictEqual(heads["x-request-id"], id, `the call id of ${name}`)
    try {
      const answer = await client.call(name, message, { ...headers, "x-request-id": id })
      carries(answer.headers)
      return answer
    } catch (error) {
      carries((error as { headers?: Heads }).headers ?? {})
      throw error
    }
  }

  const first = receiptOf(await call("EntityService/Set", { ...lamp, values: { n: 1, home: { city: "Oslo" } } }))
  assert.deepStrictEqual(places(first), { version: "1", position: "1" })

  const edited = await call("EntityService/Edit", { ...lamp, values: { n: 2.5, tags: ["a", null, true, {}] } })
  const values = { n: 2.5, home: { city: "Oslo" }, tags: ["a", null, true, {}] }
  assert.deepStrictEqual(edited.message, { ...lamp, values, version: "2" })
  assert.deepStrictEqual(places(receiptOf(edited)), { version: "2", position: "2" })

  const now = await call("EntityService/Get", lamp)
  assert.deepStrictEqual(now.message, { ...lamp, values, version: "2" })
  assert.strictEqual(now.headers["etag"], '"2"')
  const before = { ...lamp, values: { n: 1, home: { city: "Oslo" } }, version: "1" }
  const byVersion = await call("EntityService/Get", { ...lamp, version: "1" })
  assert.deepStrictEqual(byVersion.message, before)
  assert.notProperty(byVersion.headers, "etag")
  assert.deepStrictEqual((await call("EntityService/Get", { ...lamp, time: first.time })).message, before)

  await conditions(call, lamp)
  await retries(call, lamp)

  await call("EntityService/Del", lamp)
  const gone = await refusal(call("EntityService/Get", lamp))
  assert.strictEqual(gone.code, "NOT_FOUND")
  assert.strictEqual((await refusal(call("EntityService/Del", lamp))).code, "NOT_FOUND")
  assert.deepStrictEqual((await call("EntityService/Get", { ...lamp, version: "3" })).message.values, { n: 3 })
  const back = await call("EntityService/Revert", { ...lamp, id: first.eventId })
  assert.deepStrictEqual(back.message, { ...before, version: "5" })
  assert.deepStrictEqual(places(receiptOf(back)), { version: "5", position: "6" })

  await batches(call, domain)
  await searches(call, domain, first.eventId)
  await mistakes(client, call, domain)
  await streams(client, call, domain)
}

type Call = StateClient["call"]

const conditions = async (call: Call, lamp: Ref) => {
  const stale = [
    () => call("EntityService/Set", { ...lamp, values: {}, version: "1" }),
    () => call("EntityService/Edit", { ...lamp, values: {} }, { "if-match": '"1"' }),
    () => call("EntityService/Set", { ...lamp, values: {} }, { "if-none-match": "*" })
  ]
  for (const losing of stale) {
    const lost = await refusal(losing())
    assert.strictEqual(lost.code, "ABORTED")
    assert.strictEqual(lost.headers["stategate-version"], "2")
    assert.strictEqual(lost.info?.reason, "VERSION_MISMATCH")
    assert.strictEqual(lost.info?.metadata["current_version"], "2")
  }
  const won = await call("EntityService/Set", { ...lamp, values: { n: 3 }, version: "2" })
  assert.deepStrictEqual(places(receiptOf(won)), { version: "3", position: "3" })
}

const retries = async (call: Call, lamp: Ref) => {
  const other = { ...lamp, key: "switch" }
  const set = (n: number) => call("EntityService/Set", { ...other, values: { n } }, { "idempotency-key": "once" })
  const done = receiptOf(await set(1))
  assert.deepStrictEqual(places(done), { version: "1", position: "4" })
  assert.deepStrictEqual(receiptOf(await set(1)), { ...done, replayed: "true" })
  assert.strictEqual((await refusal(set(2))).code, "FAILED_PRECONDITION")
}

const batches = async (call: Call, domain: string) => {
  const set = (key: string, n: number) => ({ set: { type: "user", key, values: { n } } })
  const done = await call("EntityService/Apply", {
    domain,
    commands: [
      set("cyd", 7),
      { edit: { type: "user", key: "cyd", values: { m: 2 } } },
      { del: { type: "user", key: "switch" } }
    ]
  })
  const methods = done.message.events?.map(({ method, position }) => [method, position])
  assert.deepStrictEqual(methods, [
    ["/stategate.EntityService/Set", "7"],
    ["/stategate.EntityService/Edit", "8"],
    ["/stategate.EntityService/Del", "9"]
  ])
  assert.deepStrictEqual(places(receiptOf(done)), { version: "2", position: "9" })
  assert.deepStrictEqual(done.message.events?.[1]?.entity.values, { n: 7, m: 2 })

  const failing = await refusal(
    call("EntityService/Apply", { domain, commands: [set("dan", 1), { ...set("cyd", 2), mustNotExist: true }] })
  )
  assert.strictEqual(failing.code, "ABORTED")
  assert.include(failing.message, "commands[1]")
  const dan = await refusal(call("EntityService/Get", { domain, type: "user", key: "dan" }))
  assert.strictEqual(dan.code, "NOT_FOUND")
}

const searches = async (call: Call, domain: string, firstId: string) => {
  const users = { domain, type: "user", limit: 10 }
  const inOslo = await call("EntityService/Search", { ...users, queryString: '{"home.city":"Oslo"}' })
  assert.deepStrictEqual(keysOf(inOslo.message.entities), ["lamp"])
  const sorted = await call("EntityService/Search", { ...users, sort: { field: "n", reverse: true } })
  assert.deepStrictEqual(keysOf(sorted.message.entities), ["cyd", "lamp"])
  const none = await call("EntityService/Search", { ...users, queryString: '{"n":{"$gt":1e6}}' })
  assert.deepStrictEqual(none.message.entities ?? [], [])
  const found = await call("EventService/Search", { ...users, queryString: '{"entity.key":"switch"}' })
  const made = found.message.events?.map(({ position, requestId = "" }) => [position, requestId])
  assert.deepStrictEqual(made, [
    ["4", "once"],
    ["9", ""]
  ])
  await pages(call, domain)
  const event = await call("EventService/Get", { domain, type: "user", key: "lamp", id: firstId })
  assert.strictEqual(event.message.position, "1")
}

/** One item a page, of entities by their own version and of events down the log, to the end. */
const pages = async (call: Call, domain: string) => {
  const one = { domain, type: "user", limit: 1 }
  const byVersion = { ...one, queryString: '{".key":{"$gte":"cyd"}}', sort: { field: ".version", reverse: true } }
  const whole = await call("EntityService/Search", { ...byVersion, limit: 10 })
  assert.strictEqual(whole.message.nextPageToken ?? "", "")
  const keys: Array<string> = []
  for (let pageToken = ""; ; ) {
    const { message } = await call("EntityService/Search", { ...byVersion, pageToken })
    keys.push(...keysOf(message.entities))
    pageToken = message.nextPageToken ?? ""
    if (pageToken === "") break
  }
  assert.deepStrictEqual(keys, keysOf(whole.message.entities))
  assert.isAbove(keys.length, 1)
  const down = { ...one, limit: 4, sort: { field: "", reverse: true } }
  const last = await call("EventService/Search", down)
  const before = await call("EventService/Search", { ...down, pageToken: last.message.nextPageToken! })
  const positions = [last, before].flatMap(({ message }) => message.events!.map(({ position }) => Number(position)))
  assert.deepStrictEqual(
    positions,
    [...positions].sort((a, b) => b - a)
  )
  assert.strictEqual(new Set(positions).size, 8)
  const other = await refusal(call("EventService/Search", { ...one, pageToken: last.message.nextPageToken! }))
  assert.deepStrictEqual([other.code, other.violations[0]?.field], ["INVALID_ARGUMENT", "page_token"])
}

const keysOf = (entities: ReadonlyArray<Ref> = []) => entities.map(({ key }) => key)

const mistakes = async (client: StateClient, call: Call, domain: string) => {
  const name = await refusal(call("EntityService/Set", { domain, type: "user", key: "a b", values: {} }))
  assert.strictEqual(name.code, "INVALID_ARGUMENT")
  assert.deepStrictEqual(name.violations, [
    { field: "key", description: "must not hold white space or control characters" }
  ])
  const both = await refusal(call("EntityService/Search", { domain, type: "user", queryString: '{"$where":"1"}' }))
  assert.strictEqual(both.code, "INVALID_ARGUMENT")
  assert.deepStrictEqual(both.violations.map(({ field }) => field).sort(), ["limit", "query_string"])
  const opening = client.stream({ domain: "[", type: "user" }).then((stream) => stream.next())
  const glob = await refusal(opening)
  assert.strictEqual(glob.code, "INVALID_ARGUMENT")
  assert.deepStrictEqual(
    glob.violations.map(({ field }) => field),
    ["domain"]
  )
  const after = await refusal(client.stream({ domain, type: "*", after: "xyz" }).then((stream) => stream.next()))
  assert.deepStrictEqual(after.violations, [{ field: "after", description: "is not a cursor of a stream" }])
}

const streams = async (client: StateClient, call: Call, domain: string) => {
  const all = { domain, type: "*" }
  const past = await client.stream({ ...all, beginning: true }, { "x-request-id": `${domain}-stream` })
  assert.strictEqual(past.headers["x-request-id"], `${domain}-stream`)
  const start = await take(past, 4)
  past.close()
  const resumed = await client.stream({ ...all, after: start.at(-1)!.cursor! })
  assert.strictEqual(resumed.headers["stategate-cursor"], start.at(-1)!.cursor)
  const rest = await take(resumed, 5)
  assert.deepStrictEqual(
    [...start, ...rest].map(({ position }) => position),
    ["1", "2", "3", "4", "5", "6", "7", "8", "9"]
  )
  // Open, and nothing has happened yet: what comes now must reach both, the one that has caught up and a new one.
  const live = await within(client.stream(all), "the headers of a stream without events")
  await call("EntityService/Set", { domain, type: "user", key: "eve", values: { n: 5 } })
  for (const stream of [resumed, live]) {
    const [event] = await take(stream, 1)
    assert.strictEqual(event?.position, "10")
    assert.deepStrictEqual(event?.entity, { domain, type: "user", key: "eve", values: { n: 5 }, version: "1" })
    stream.close()
  }
  // The cursor of a stream that has sent nothing is as good as any: between it and now nothing is missed.
  const again = await client.stream({ ...all, after: live.headers["stategate-cursor"]! })
  assert.strictEqual((await take(again, 1))[0]?.position, "10")
  again.close()
}
