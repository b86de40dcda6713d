import { spawnSync } from "node:child_process"
import { readFileSync, writeFileSync } from "node:fs"
import { assert, describe, test } from "vitest"
import { openMetrics } from "../../adapters/telemetry/prometheus/metrics.ts"
import type { CallRecord, GaugeName } from "../../application/telemetry.ts"
import { need, program } from "../support/need.ts"
import { temporaryFolder } from "../support/process.ts"

const gauges: ReadonlyArray<GaugeName> = [
  "calls",
  "queuedJobs",
  "queuedBytes",
  "streams",
  "lag",
  "slowest",
  "tailBytes",
  "logChars",
  "keys",
  "keysAgeSeconds",
  "tokens"
]

const call = (more: Partial<CallRecord> = {}): CallRecord => ({
  method: "/stategate.EntityService/Set",
  protocol: "grpc",
  code: "ok",
  durationMs: 1,
  callId: "id",
  domain: "a-domain",
  type: "a-type",
  ...more
})

/** Metrics of a gateway in which something of every kind has happened. */
const busy = () => {
  const metrics = openMetrics({ version: "1.2.3", runtime: "node 24" })
  const { recordCall, recordCommit, recordDecision, count, registerGauge } = metrics.telemetry
  for (const [i, what] of gauges.entries()) registerGauge(what, () => i + 1)
  for (const durationMs of [0.05, 0.1, 0.3, 20_000]) recordCall(call({ durationMs }))
  recordCall(call({ code: "not_found", protocol: "rest", durationMs: 30 }))
  recordCall(call({ method: "/stategate.EventService/Stream", protocol: "sse", durationMs: 3_600_000, sent: 7 }))
  recordCommit({ events: 3, durationMs: 2, failed: false })
  recordCommit({ events: 0, durationMs: 9, failed: true })
  const decision = {
    policy: "request",
    rule: "data.stategate.authz.allow",
    method: "/stategate.EntityService/Set"
  } as const
  const about = () => ({ sub: "a-sub", iss: "an-issuer", domain: "a-domain", type: "a-type", key: "a-key" })
  for (const outcome of ["allow", "deny", "deny"] as const)
    recordDecision({ ...decision, outcome, durationMs: 0.01, about })
  const totals = [
    "jobsRefused",
    "streamsRefused",
    "delivered",
    "backfills",
    "logReads",
    "rewinds",
    "policyReloads",
    "policyReloadsRefused",
    "logLinesLost",
    "keyReadFailures"
  ] as const
  for (const what of totals) count(what, 5)
  return metrics
}

const promtool = need("promtool", { enable: "apt-get install prometheus", found: program("promtool") })
const check = (what: string, input: string, ...files: ReadonlyArray<string>) =>
  spawnSync(promtool.found ?? "promtool", ["check", what, ...files], { input, encoding: "utf8" })

const grafana = new URL("../../ops/grafana/stategate.json", import.meta.url)
interface Panel {
  readonly id: number
  readonly type: string
  readonly title: string
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number }
  readonly targets?: ReadonlyArray<{ readonly expr: string; readonly refId: string }>
}
interface Dashboard {
  readonly schemaVersion: number
  readonly uid: string
  readonly title: string
  readonly panels: ReadonlyArray<Panel>
}
const dashboard = JSON.parse(readFileSync(grafana, "utf8")) as Dashboard
const targets = dashboard.panels.flatMap((panel) => panel.targets ?? [])

describe("metrics", () => {
  test("keep Prometheus's rules for names and units", promtool.options, async () => {
    const checked = check("metrics", await busy().text())
    assert.strictEqual(`${checked.stdout}${checked.stderr}`, "")
    assert.strictEqual(checked.status, 0)
  })

  test("count calls by method, protocol and code, and how long those took that are no streams", async () => {
    const text = await busy().text()
    const lines = text.split("\n").filter((line) => line.startsWith("stategate_call"))
    const set = 'method="/stategate.EntityService/Set"'
    const bucket = (le: string) =>
      lines.find((line) => line.startsWith(`stategate_call_duration_seconds_bucket{${set},protocol="grpc",le="${le}"}`))
    assert.include(lines, `stategate_calls_total{${set},protocol="grpc",code="ok"} 4`)
    assert.include(lines, `stategate_calls_total{${set},protocol="rest",code="not_found"} 1`)
    assert.include(lines, 'stategate_calls_total{method="/stategate.EventService/Stream",protocol="sse",code="ok"} 1')
    const upTo = ["0.0001", "0.00025", "0.0005", "10", "30", "+Inf"].map((le) => Number(bucket(le)?.split(" ").at(-1)))
    assert.deepStrictEqual(upTo, [2, 2, 3, 3, 4, 4])
    assert.include(lines, `stategate_call_duration_seconds_count{${set},protocol="grpc"} 4`)
    assert.isFalse(lines.some((line) => line.includes("duration") && line.includes("Stream")))
    assert.include(lines, "stategate_calls_in_flight 1")
    assert.include(text, 'stategate_commits_total{outcome="failed"} 1')
    assert.include(text, 'stategate_build_info{version="1.2.3",runtime="node 24"} 1')
    assert.include(text, "stategate_feed_events_delivered_total 5")
    assert.include(text, 'stategate_policy_decisions_total{policy="request",outcome="deny"} 2')
    assert.include(text, 'stategate_policy_decisions_total{policy="response",outcome="error"} 0')
    assert.include(text, 'stategate_policy_evaluation_duration_seconds_bucket{le="0.00001",policy="request"} 3')
  })

  test("have no label that a caller could fill", async () => {
    const text = await busy().text()
    const labels = [...text.matchAll(/^stategate_\w+\{([^}]*)\}/gm)].flatMap(([, list]) =>
      [...list!.matchAll(/(\w+)="/g)].map(([, name]) => name)
    )
    const known = ["method", "protocol", "code", "policy", "outcome", "reason", "fiber", "le", "version", "runtime"]
    assert.sameMembers([...new Set(labels)], known)
    assert.notInclude(text, "a-domain")
    assert.notInclude(text, "a-type")
  })
})

describe("the Grafana dashboard", () => {
  test("is one that Grafana imports", () => {
    assert.isAtLeast(dashboard.schemaVersion, 36)
    assert.deepStrictEqual([dashboard.uid, dashboard.title], ["stategate", "stategate"])
    const ids = dashboard.panels.map(({ id }) => id)
    assert.strictEqual(new Set(ids).size, ids.length)
    for (const { type, title, gridPos, targets: asked } of dashboard.panels) {
      assert.isAtMost(gridPos.x + gridPos.w, 24, title)
      assert.strictEqual(type === "row", asked === undefined, title)
    }
    const places = dashboard.panels.map(({ gridPos: { x, y } }) => `${x},${y}`)
    assert.strictEqual(new Set(places).size, places.length)
  })

  test("shows every metric of ours, and none that is not there", async () => {
    const text = await busy().text()
    const there = [...text.matchAll(/^# TYPE (\w+) (\w+)$/gm)].flatMap(([, name, type]) =>
      type === "histogram" ? [name!, `${name}_bucket`, `${name}_sum`, `${name}_count`] : [name!]
    )
    const named = targets.flatMap(({ expr }) => expr.match(/\b(?:stategate|process|nodejs)_\w+/g) ?? [])
    for (const name of named) assert.include(there, name)
    for (const [, name] of text.matchAll(/^# TYPE (stategate_\w+) /gm))
      assert.isTrue(
        named.some((shown) => shown.replace(/_(?:bucket|sum|count)$/, "") === name || shown === name),
        `${name} is on no panel`
      )
  })

  test("asks what Prometheus understands", promtool.options, () => {
    // JSON is YAML, and a rule may hold any query.
    const rules = targets.map(({ expr }, i) => ({
      record: `query_${i}`,
      expr: expr.replaceAll("$__rate_interval", "1m").replaceAll("$instance", ".*")
    }))
    const file = JSON.stringify({ groups: [{ name: "dashboard", rules }] })
    const folder = temporaryFolder()
    try {
      writeFileSync(`${folder.path}/rules.yml`, file)
      const checked = check("rules", "", `${folder.path}/rules.yml`)
      assert.strictEqual(checked.status, 0, checked.stdout + checked.stderr)
    } finally {
      folder.remove()
    }
  })
})
