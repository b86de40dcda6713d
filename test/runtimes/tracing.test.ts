import { assert, describe, test } from "vitest"
import { tracingSettings } from "../../runtimes/tracing.ts"

const endpoint = { OTEL_EXPORTER_OTLP_ENDPOINT: "http://collector:4318/" }
const plain = {
  url: "http://collector:4318/v1/traces",
  headers: {},
  serviceName: "stategate",
  encoding: "protobuf",
  delayMs: 5_000,
  timeoutMs: 10_000,
  sampling: { ratio: 1, parentBased: true }
}

describe("traces", () => {
  test("are off until a collector is named, and can be switched off", () => {
    const off = { tracing: undefined, errors: [] }
    assert.deepStrictEqual(tracingSettings({}), off)
    assert.deepStrictEqual(tracingSettings({ OTEL_EXPORTER_OTLP_ENDPOINT: " " }), off)
    assert.deepStrictEqual(tracingSettings({ ...endpoint, OTEL_SDK_DISABLED: "true" }), off)
    assert.deepStrictEqual(tracingSettings({ ...endpoint, OTEL_TRACES_EXPORTER: "none" }), off)
  })

  test("are set by OpenTelemetry's own variables", () => {
    const of = (env: Record<string, string> = {}) => tracingSettings({ ...endpoint, ...env })
    assert.deepStrictEqual(of(), { tracing: plain, errors: [] } as never)
    const own = { OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "https://other/path" }
    assert.strictEqual(of(own).tracing?.url, "https://other/path")
    assert.deepStrictEqual(
      of({ OTEL_EXPORTER_OTLP_HEADERS: "Authorization=Bearer%20a%3D, x-b = c=d ," }).tracing?.headers,
      {
        authorization: "Bearer a=",
        "x-b": "c=d"
      }
    )
    assert.strictEqual(of({ OTEL_SERVICE_NAME: "shop-state" }).tracing?.serviceName, "shop-state")
    const named = { OTEL_RESOURCE_ATTRIBUTES: "service.name=by%20attribute,zone=a" }
    assert.strictEqual(of(named).tracing?.serviceName, "by attribute")
    assert.strictEqual(of({ ...named, OTEL_SERVICE_NAME: "shop-state" }).tracing?.serviceName, "shop-state")
    assert.strictEqual(of({ OTEL_EXPORTER_OTLP_TIMEOUT: "500" }).tracing?.timeoutMs, 500)
    assert.strictEqual(of({ OTEL_EXPORTER_OTLP_PROTOCOL: "http/json" }).tracing?.encoding, "json")
    const sampler = (name: string, argument = "") =>
      of({ OTEL_TRACES_SAMPLER: name, OTEL_TRACES_SAMPLER_ARG: argument }).tracing?.sampling
    assert.deepStrictEqual(sampler("always_off"), { ratio: 0, parentBased: false })
    assert.deepStrictEqual(sampler("parentbased_traceidratio", "0.25"), { ratio: 0.25, parentBased: true })
    assert.deepStrictEqual(sampler("traceidratio"), { ratio: 1, parentBased: false })
  })

  test("that are set wrongly are told by name, and no secret with it", () => {
    const refused = (env: Record<string, string>) => tracingSettings({ ...endpoint, ...env }).errors.join("\n")
    assert.match(refused({ OTEL_EXPORTER_OTLP_ENDPOINT: "collector:4318" }), /^OTEL_EXPORTER_OTLP_ENDPOINT: /)
    assert.match(refused({ OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: "x" }), /^OTEL_EXPORTER_OTLP_TRACES_ENDPOINT: /)
    assert.match(refused({ OTEL_EXPORTER_OTLP_PROTOCOL: "grpc" }), /^OTEL_EXPORTER_OTLP_PROTOCOL: /)
    assert.match(refused({ OTEL_TRACES_SAMPLER: "jaeger_remote" }), /^OTEL_TRACES_SAMPLER: /)
    assert.match(
      refused({ OTEL_TRACES_SAMPLER: "traceidratio", OTEL_TRACES_SAMPLER_ARG: "2" }),
      /^OTEL_TRACES_SAMPLER_ARG: /
    )
    assert.match(refused({ OTEL_EXPORTER_OTLP_TIMEOUT: "0" }), /^OTEL_EXPORTER_OTLP_TIMEOUT: /)
    for (const wrong of ["%zz", "%", "%ff"])
      assert.match(refused({ OTEL_RESOURCE_ATTRIBUTES: `zone=${wrong}` }), /^OTEL_RESOURCE_ATTRIBUTES: /, wrong)
    assert.match(refused({ OTEL_BSP_SCHEDULE_DELAY: "soon" }), /^OTEL_BSP_SCHEDULE_DELAY: /)
    for (const headers of ["hunter2", "a=%hunter2", "a=hunter2%ff", "a b=hunter2"]) {
      const errors = refused({ OTEL_EXPORTER_OTLP_HEADERS: headers })
      assert.match(errors, /^OTEL_EXPORTER_OTLP_HEADERS: /)
      assert.notInclude(errors, "hunter2")
    }
  })
})
