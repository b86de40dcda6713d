import type { Readings } from "../../../application/readiness.ts"

export interface Probe {
  readonly status: number
  readonly type: string
  readonly body: string
}

/**
 * What orchestrators ask: `/livez`, whether the process runs, and `/readyz`, whether calls should be sent to it. Open to
 * everyone, so the answers are words for a state and no names.
 */
export const probes = (check: () => Promise<Readings>): ReadonlyMap<string, () => Promise<Probe>> =>
  new Map([
    ["/livez", async () => ({ status: 200, type: "text/plain; charset=utf-8", body: "ok\n" })],
    [
      "/readyz",
      async () => {
        const readings = await check()
        return { status: readings.ready ? 200 : 503, type: "application/json", body: `${JSON.stringify(readings)}\n` }
      }
    ]
  ])
