import { describe, expect, test } from "vitest"
import { parseTraceparent, traceparentText } from "../../application/traceparent.ts"

const traceId = "4bf92f3577b34da6a3ce929d0e0e4736"
const spanId = "00f067aa0ba902b7"

describe("a traceparent", () => {
  test("says where in a trace a call was made", () => {
    const sampled = { traceId, spanId, sampled: true }
    expect(parseTraceparent(`00-${traceId}-${spanId}-01`)).toEqual(sampled)
    expect(parseTraceparent(`00-${traceId}-${spanId}-ff`)).toEqual(sampled)
    expect(parseTraceparent(`00-${traceId}-${spanId}-02`)).toEqual({ ...sampled, sampled: false })
    expect(traceparentText(sampled)).toBe(`00-${traceId}-${spanId}-01`)
    expect(traceparentText({ ...sampled, sampled: false })).toBe(`00-${traceId}-${spanId}-00`)
  })

  test("of a later version may say more", () => {
    expect(parseTraceparent(`cc-${traceId}-${spanId}-01-what-the-future-brings`)).toMatchObject({ traceId, spanId })
    expect(parseTraceparent(`cc-${traceId}-${spanId}-01`)).toMatchObject({ traceId, spanId })
  })

  test.each([
    undefined,
    "",
    "00",
    `00-${traceId}-${spanId}`,
    `00-${traceId}-${spanId}-01-more`,
    `00-${traceId}-${spanId}-01 `,
    `cc-${traceId}-${spanId}-01more`,
    `ff-${traceId}-${spanId}-01`,
    `00-${"0".repeat(32)}-${spanId}-01`,
    `00-${traceId}-${"0".repeat(16)}-01`,
    `00-${traceId.toUpperCase()}-${spanId}-01`,
    `00-${traceId}-${spanId}-1`,
    `00-${traceId}-${spanId}-0g`,
    `00-${traceId}0-${spanId}-01`,
    `00-${traceId}-${spanId}-01, 00-${traceId}-${spanId}-01`
  ])("is none: %s", (text) => {
    expect(parseTraceparent(text)).toBeUndefined()
  })
})
