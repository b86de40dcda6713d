import { isArray, type Value } from "../values.ts"
import { type Builtin, integerOf, integerValue, stringOf, undefinedFor } from "./builtin.ts"

const nsPerMs = 1_000_000n
const int64Max = 2n ** 63n - 1n

export const time: Readonly<Record<string, Builtin>> = {
  "time.now_ns": (_none, { nowNs }) => integerValue(nowNs()),
  "time.parse_rfc3339_ns": ([value]) => integerValue(inRange(parseRfc3339(stringOf(value)))),
  "time.parse_duration_ns": ([value]) => integerValue(inRange(parseDuration(stringOf(value)))),
  "time.date": ([value]) => {
    const { year, month, day } = partsOf(value)
    return [year, month, day]
  },
  "time.clock": ([value]) => {
    const { hour, minute, second } = partsOf(value)
    return [hour, minute, second]
  },
  "time.weekday": ([value]) => {
    const { year, month, day } = partsOf(value)
    return weekdays[new Date(Date.UTC(year, month - 1, day)).getUTCDay()]!
  },
  "time.add_date": ([value, years, months, days]) => {
    const ns = integerOf(value)
    const date = new Date(Number(ns / nsPerMs))
    const [year, month, day] = [years, months, days].map((part) => Number(integerOf(part))) as [number, number, number]
    const moved = Date.UTC(
      date.getUTCFullYear() + year,
      date.getUTCMonth() + month,
      date.getUTCDate() + day,
      date.getUTCHours(),
      date.getUTCMinutes(),
      date.getUTCSeconds(),
      date.getUTCMilliseconds()
    )
    if (Number.isNaN(moved)) return undefinedFor("time out of range")
    return integerValue(inRange(BigInt(moved) * nsPerMs + (ns % nsPerMs)))
  }
}

const weekdays = ["Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"] as const

const inRange = (ns: bigint): bigint => (ns > int64Max || ns < -int64Max - 1n ? undefinedFor("time out of range") : ns)

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)T(\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(Z|[+-]\d\d:\d\d)$/

const parseRfc3339 = (text: string): bigint => {
  const match = rfc3339.exec(text)
  if (match === null) return undefinedFor("not RFC 3339")
  const [, year, month, day, hour, minute, second, fraction = "", zone] = match
  const numbers = [year, month, day, hour, minute, second].map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number
  ]
  const ms = Date.UTC(numbers[0], numbers[1] - 1, ...(numbers.slice(2) as [number, number, number, number]))
  const date = new Date(ms)
  // Dates such as the 31st of February move on to the next month here.
  const isReal = date.getUTCMonth() === numbers[1] - 1 && date.getUTCDate() === numbers[2]
  const [zoneHour, zoneMinute] = zone === "Z" ? [0, 0] : [Number(zone!.slice(1, 3)), Number(zone!.slice(4))]
  if (!isReal || numbers[3] > 23 || numbers[4] > 59 || numbers[5] > 59 || zoneHour > 24 || zoneMinute > 60) {
    return undefinedFor("not a time")
  }
  const offset = BigInt(zoneHour * 60 + zoneMinute) * 60_000n * (zone!.startsWith("-") ? -1n : 1n)
  return (BigInt(ms) - offset) * nsPerMs + BigInt(fraction.padEnd(9, "0").slice(0, 9))
}

const unitNs: Readonly<Record<string, bigint>> = {
  ns: 1n,
  us: 1_000n,
  µs: 1_000n,
  μs: 1_000n,
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n
}

const parseDuration = (text: string): bigint => {
  const [, sign, rest] = /^([+-]?)(.*)$/.exec(text)!
  if (rest === "0") return 0n
  if (!/^(?:(?:\d+\.?\d*|\.\d+)(?:ns|us|µs|μs|ms|s|m|h))+$/.test(rest!)) return undefinedFor("not a duration")
  let ns = 0n
  for (const [, whole, fraction = "", unit] of rest!.matchAll(/(\d*)\.?(\d*)(ns|us|µs|μs|ms|s|m|h)/g)) {
    const perUnit = unitNs[unit!]!
    ns += BigInt(whole || "0") * perUnit
    ns += (BigInt(fraction || "0") * perUnit) / 10n ** BigInt(fraction.length)
  }
  return sign === "-" ? -ns : ns
}

/** A time as builtins take it: nanoseconds, or nanoseconds and a time zone. */
const partsOf = (value: Value | undefined) => {
  const [ns, zone] =
    value !== undefined && isArray(value) ? [integerOf(value[0]), stringOf(value[1])] : [integerOf(value), ""]
  // Rounds down, for times before 1970 too.
  const ms = Number((inRange(ns) - (((ns % nsPerMs) + nsPerMs) % nsPerMs)) / nsPerMs)
  const parts = new Map(
    formatOf(zone)
      .formatToParts(ms)
      .map(({ type, value: part }) => [type, Number(part)])
  )
  const part = (type: Intl.DateTimeFormatPartTypes) => parts.get(type)!
  return {
    year: part("year"),
    month: part("month"),
    day: part("day"),
    hour: part("hour"),
    minute: part("minute"),
    second: part("second")
  }
}

const formats = new Map<string, Intl.DateTimeFormat>()
/** Time zones whose format is kept; a policy may take the name from its input. */
const formatsMax = 64

const formatOf = (zone: string): Intl.DateTimeFormat => {
  const known = formats.get(zone)
  if (known !== undefined) return known
  let made: Intl.DateTimeFormat
  try {
    made = new Intl.DateTimeFormat("en-u-ca-iso8601-hc-h23", {
      timeZone: zone === "" ? "UTC" : zone,
      year: "numeric",
      month: "numeric",
      day: "numeric",
      hour: "numeric",
      minute: "numeric",
      second: "numeric",
      hourCycle: "h23"
    })
  } catch {
    return undefinedFor("unknown time zone")
  }
  if (formats.size >= formatsMax) formats.clear()
  formats.set(zone, made)
  return made
}
