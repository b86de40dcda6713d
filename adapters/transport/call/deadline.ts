const unitMs: Readonly<Record<string, number>> = { H: 3_600_000, M: 60_000, S: 1_000, m: 1, u: 1e-3, n: 1e-6 }

/** Milliseconds of a `grpc-timeout`: at most eight digits and a unit. NaN if it is none. */
export const grpcTimeoutMs = (text: string): number => {
  const last = text.length - 1
  const unit = unitMs[text.charAt(last)]
  if (unit === undefined || last < 1 || last > 8) return Number.NaN
  let value = 0
  for (let i = 0; i < last; i++) {
    const digit = text.charCodeAt(i) - 48
    if (digit < 0 || digit > 9) return Number.NaN
    value = value * 10 + digit
  }
  return Math.ceil(value * unit)
}

/** What a timer can count to; a longer time would end at once. */
export const timerMsMax = 2 ** 31 - 1

/** Takes a deadline out of the headers of a request when it is weeks away: that is as good as none, and no timer takes it. */
export const dropFarDeadline = (headers: Headers): void => {
  const grpc = headers.get("grpc-timeout")
  if (grpc !== null && grpcTimeoutMs(grpc) > timerMsMax) headers.delete("grpc-timeout")
  if (Number(headers.get("connect-timeout-ms")) > timerMsMax) headers.delete("connect-timeout-ms")
}
