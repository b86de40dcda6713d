import { afterEach, beforeEach, expect } from "vitest"
import { restApp } from "../../../adapters/transport/rest/app.ts"
import { type Gateway, startGateway } from "../../support/gateway.ts"

let gateway: Gateway
let app: ReturnType<typeof restApp>

/** A gateway of its own for each test of the file. */
export const eachWithGateway = () => {
  beforeEach(async () => {
    gateway = await startGateway()
    app = restApp(gateway.gate)
  })
  afterEach(() => gateway.close())
}

export const json = { "content-type": "application/json" }
export const entity = "/api/entity/ref/shop/user/7"

export const send = async (method: string, path: string, body?: BodyInit, headers: Record<string, string> = json) => {
  const answer = await app.request(path, { method, headers, ...(body === undefined ? {} : { body, duplex: "half" }) })
  const text = await answer.text()
  return { status: answer.status, body: text === "" ? undefined : JSON.parse(text) }
}

export const nothingIsStored = async () => expect(await gateway.domains()).toBe(0)

interface Violation {
  readonly field: string
  readonly description: string
}

/** The violations of an INVALID_ARGUMENT that stored nothing; anything else fails the test. */
export const violations = async (
  ...[method, path, body, headers]: Parameters<typeof send>
): Promise<Array<Violation>> => {
  const answer = await send(method, path, body, headers)
  expect([answer.status, answer.body?.code], JSON.stringify(answer.body)).toEqual([400, 3])
  await nothingIsStored()
  const [detail] = answer.body.details
  expect(detail["@type"]).toBe("type.googleapis.com/google.rpc.BadRequest")
  return detail.fieldViolations
}
