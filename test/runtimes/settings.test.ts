import { assert, describe, test } from "vitest"
import { type Environment, variables } from "../../runtimes/settings.ts"
import { accepted, open, refused } from "./parsed.ts"

describe("defaults", () => {
  test("hold when nothing but the authentication is decided", () => {
    assert.deepStrictEqual(accepted({}), {
      settings: {
        port: 8080,
        host: "0.0.0.0",
        metricsPort: 8081,
        metricsHost: "127.0.0.1",
        debug: false,
        logLevel: "info",
        authDisabled: true,
        auth: undefined,
        policyDisabled: false,
        rego: undefined,
        decisionLog: "denied",
        publicDocs: true,
        tls: undefined,
        corsOrigins: [],
        http2: "own",
        shutdownGraceMs: 20_000,
        tracing: undefined,
        storage: { name: "sqlite", path: "./data/stategate.db" },
        channel: { name: "inmem" },
        defaulted: ["storage", "channel"]
      },
      warnings: []
    })
  })

  test("in the table are the ones that hold", () => {
    const written = Object.fromEntries(variables.map((variable) => [variable.name, variable.default]))
    const { defaulted, ...settings } = accepted({ ...written, ...open }).settings
    assert.deepStrictEqual(defaulted, [])
    assert.deepStrictEqual({ ...settings, defaulted: ["storage", "channel"] }, accepted({}).settings)
  })

  test("hold for what is empty or blank", () => {
    const blank = Object.fromEntries(variables.map((variable, i) => [variable.name, i % 2 === 0 ? "" : " \n"]))
    assert.deepStrictEqual(accepted({ ...blank, ...open, STATEGATE_UNKNOWN: "" }), accepted({}))
  })

  test("are told apart from a provider that was chosen", () => {
    assert.deepStrictEqual(accepted({ STATEGATE_STORAGE_PROVIDER: '{"name":"memory"}' }).settings.defaulted, [
      "channel"
    ])
    assert.deepStrictEqual(accepted({ STATEGATE_CHANNEL_PROVIDER: '{"name":"inmem"}' }).settings.defaulted, ["storage"])
  })
})

describe("the port for operators", () => {
  test("follows the other one, unless it is set", () => {
    const of = (env: Environment) => accepted(env).settings.metricsPort
    assert.strictEqual(of({ STATEGATE_PORT: "9000" }), 9001)
    assert.strictEqual(of({ STATEGATE_PORT: "0" }), 0)
    assert.strictEqual(of({ STATEGATE_PORT: "9000", STATEGATE_METRICS_PORT: "0" }), 0)
    assert.strictEqual(of({ STATEGATE_PORT: "0", STATEGATE_METRICS_PORT: "9100" }), 9100)
  })

  test("is another one", () => {
    assert.deepStrictEqual(refused({ STATEGATE_PORT: "9000", STATEGATE_METRICS_PORT: "9000" }), [
      "STATEGATE_METRICS_PORT: must be another port than STATEGATE_PORT"
    ])
    assert.strictEqual(accepted({ STATEGATE_PORT: "65535" }).settings.metricsPort, 65_534)
  })
})

describe("authentication", () => {
  const on = { STATEGATE_AUTH_DISABLED: undefined, STATEGATE_JWKS_URI: "https://id.example.com/keys" }

  test("has to be switched off in so many words", () => {
    for (const value of [undefined, "", "false", "0"]) {
      const errors = refused({ STATEGATE_AUTH_DISABLED: value })
      assert.strictEqual(errors.length, 1)
      assert.match(errors[0]!, /^STATEGATE_JWKS_URI, STATEGATE_JWKS_FILE or STATEGATE_OIDC_ISSUER: set one of them/)
    }
    assert.deepStrictEqual(refused({ STATEGATE_AUTH_DISABLED: "yes" }), [
      'STATEGATE_AUTH_DISABLED: "yes" is neither true nor false'
    ])
  })

  test("is by tokens, with what they have to be like", () => {
    const { auth, authDisabled, publicDocs, policyDisabled } = accepted(on).settings
    assert.deepStrictEqual([authDisabled, publicDocs, policyDisabled], [false, false, false])
    assert.deepStrictEqual(auth, {
      keys: { uri: "https://id.example.com/keys" },
      issuers: undefined,
      audiences: undefined,
      scopes: [],
      leewayMs: 30_000,
      keyAgeMsMax: 86_400_000,
      isOptional: false,
      eventClaims: undefined
    })
    const all = {
      STATEGATE_JWT_ISSUER: "https://id.example.com, other",
      STATEGATE_JWT_AUDIENCE: "shop,state",
      STATEGATE_JWT_SCOPES: "read write",
      STATEGATE_JWT_LEEWAY: "5s",
      STATEGATE_JWKS_MAX_AGE: "1h",
      STATEGATE_AUTH_OPTIONAL: "true",
      STATEGATE_EVENT_CLAIMS: "sub, tenant"
    }
    assert.deepStrictEqual(accepted({ ...on, ...all }).settings.auth, {
      keys: { uri: "https://id.example.com/keys" },
      issuers: ["https://id.example.com", "other"],
      audiences: ["shop", "state"],
      scopes: ["read", "write"],
      leewayMs: 5_000,
      keyAgeMsMax: 3_600_000,
      isOptional: true,
      eventClaims: ["sub", "tenant"]
    })
  })

  test("takes its keys from one place", () => {
    const oidc = { STATEGATE_AUTH_DISABLED: undefined, STATEGATE_OIDC_ISSUER: "https://a.example, https://b.example/x" }
    const { auth } = accepted(oidc).settings
    assert.deepStrictEqual(auth?.keys, { issuers: ["https://a.example", "https://b.example/x"] })
    assert.deepStrictEqual(auth?.issuers, ["https://a.example", "https://b.example/x"])
    assert.match(refused({ ...oidc, STATEGATE_JWT_ISSUER: "other" })[0]!, /^STATEGATE_JWT_ISSUER: unset it/)
    assert.match(
      refused({ ...on, ...oidc, STATEGATE_JWKS_FILE: "keys.json" })[0]!,
      /^STATEGATE_JWKS_URI and STATEGATE_JWKS_FILE and STATEGATE_OIDC_ISSUER: set one of them alone/
    )
  })

  test("has rules for each value", () => {
    for (const uri of ["keys", "ftp://a/b", "https://a/#b"]) {
      assert.match(refused({ ...on, STATEGATE_JWKS_URI: uri })[0]!, /^STATEGATE_JWKS_URI: must /)
    }
    const secret = refused({ ...on, STATEGATE_JWKS_URI: "https://user:hunter2@a/b" })
    assert.deepStrictEqual(secret, ["STATEGATE_JWKS_URI: must not hold a user or password"])
    for (const [name, value] of [
      ["STATEGATE_JWT_ISSUER", "a,,b"],
      ["STATEGATE_JWT_AUDIENCE", ","],
      ["STATEGATE_JWT_SCOPES", 'a "b"'],
      ["STATEGATE_JWT_LEEWAY", "6m"],
      ["STATEGATE_JWKS_MAX_AGE", "never"],
      ["STATEGATE_AUTH_OPTIONAL", "perhaps"],
      ["STATEGATE_EVENT_CLAIMS", "sub,"],
      ["STATEGATE_POLICY_DISABLED", "perhaps"]
    ] as const)
      assert.deepStrictEqual(
        refused({ ...on, [name]: value }).map((error) => error.split(":")[0]),
        [name]
      )
  })

  test("says where a setting means nothing, and where keys are not safe on their way", () => {
    assert.deepStrictEqual(accepted({ STATEGATE_JWKS_URI: "https://a" }).warnings, [
      "STATEGATE_JWKS_URI: without effect, since STATEGATE_AUTH_DISABLED is true"
    ])
    const warnings = (uri: string) => accepted({ ...on, STATEGATE_JWKS_URI: uri }).warnings
    assert.match(warnings("http://id.internal/keys")[0]!, /^http:\/\/id.internal: keys are fetched without TLS/)
    for (const uri of ["http://localhost:8000/a", "http://127.0.0.1/a", "http://[::1]/a", "https://id.internal/a"]) {
      assert.deepStrictEqual(warnings(uri), [])
    }
  })
})

test("tells everything that is wrong, not only the first", () => {
  const errors = refused({
    STATEGATE_AUTH_DISABLED: "maybe",
    STATEGATE_PORT: "http",
    STATEGATE_DEBUG: "on",
    STATEGATE_LOG_LEVEL: "loud",
    STATEGATE_TLS_KEY_FILE: "key.pem",
    STATEGATE_CORS_ORIGINS: "example.com",
    STATEGATE_SHUTDOWN_GRACE: "20",
    STATEGATE_STORAGE_PROVIDER: "sqlite",
    STATEGATE_CHANNEL_PROVIDER: "{}"
  })
  assert.deepStrictEqual(errors.map((error) => error.split(":")[0]).sort(), [
    "STATEGATE_AUTH_DISABLED",
    "STATEGATE_CHANNEL_PROVIDER",
    "STATEGATE_CORS_ORIGINS",
    "STATEGATE_DEBUG",
    "STATEGATE_LOG_LEVEL",
    "STATEGATE_PORT",
    "STATEGATE_SHUTDOWN_GRACE",
    "STATEGATE_STORAGE_PROVIDER",
    "STATEGATE_TLS_CERT_FILE",
    "STATEGATE_TLS_KEY_FILE"
  ])
})

describe("single values", () => {
  test("ports", () => {
    for (const [text, port] of [
      ["0", 0],
      ["1", 1],
      ["65535", 65_535],
      [" 80\n", 80]
    ] as const)
      assert.strictEqual(accepted({ STATEGATE_PORT: text }).settings.port, port)
    for (const text of ["65536", "-1", "8080.5", "0x50", "1e3", "eighty"])
      assert.match(refused({ STATEGATE_PORT: text })[0]!, /^STATEGATE_PORT: .* is not a port \(0 to 65535\)$/)
  })

  test("hosts", () => {
    for (const text of ["127.0.0.1", "::", "::1", "fe80::1%eth0", "gateway.internal"])
      assert.strictEqual(accepted({ STATEGATE_HOST: text }).settings.host, text)
    assert.match(refused({ STATEGATE_HOST: "localhost:80" })[0]!, /goes into STATEGATE_PORT/)
    for (const text of ["http://localhost", "[::1]", "a b"])
      assert.match(refused({ STATEGATE_HOST: text })[0]!, /is not a host name/)
  })

  test("log levels, of which the one that is named wins over debug", () => {
    assert.strictEqual(accepted({ STATEGATE_DEBUG: "1" }).settings.logLevel, "debug")
    assert.strictEqual(accepted({ STATEGATE_DEBUG: "true", STATEGATE_LOG_LEVEL: "warn" }).settings.logLevel, "warn")
    assert.match(refused({ STATEGATE_LOG_LEVEL: "INFO" })[0]!, /none of fatal, error, warn, info, debug, trace, silent/)
  })

  test("durations", () => {
    for (const [text, ms] of [
      ["0s", 0],
      ["500ms", 500],
      ["1.5s", 1_500],
      ["1m", 60_000],
      ["24h", 86_400_000]
    ] as const)
      assert.strictEqual(accepted({ STATEGATE_SHUTDOWN_GRACE: text }).settings.shutdownGraceMs, ms)
    for (const text of ["20", "s", "-1s", "1 s", "1d", "25h"])
      assert.match(refused({ STATEGATE_SHUTDOWN_GRACE: text })[0]!, /^STATEGATE_SHUTDOWN_GRACE: /)
  })

  test("origins, in the form that browsers send", () => {
    const origins = (text: string) => accepted({ STATEGATE_CORS_ORIGINS: text }).settings.corsOrigins
    assert.strictEqual(origins("*"), "*")
    assert.deepStrictEqual(origins("https://App.example.com:443, http://localhost:5173,http://localhost:5173"), [
      "https://app.example.com",
      "http://localhost:5173"
    ])
    assert.deepStrictEqual(origins("capacitor://localhost"), ["capacitor://localhost"])
    for (const text of [
      "https://a.com/",
      "https://a.com/x",
      "a.com",
      "null",
      "https://a.com,*",
      "https://*.a.com",
      ","
    ])
      assert.match(refused({ STATEGATE_CORS_ORIGINS: text })[0]!, /^STATEGATE_CORS_ORIGINS: /)
  })
})

describe("variables that are not ours to know", () => {
  test("are a warning with the nearest name", () => {
    assert.deepStrictEqual(accepted({ STATEGATE_LOGLEVEL: "debug", STATEGATE_STORAGE: "{}" }).warnings, [
      "STATEGATE_LOGLEVEL: unknown, and without effect; the nearest known name is STATEGATE_LOG_LEVEL",
      "STATEGATE_STORAGE: unknown, and without effect; the nearest known name is STATEGATE_STORAGE_PROVIDER"
    ])
    assert.deepStrictEqual(accepted({ PATH: "x", STATE: "y" }).warnings, [])
  })

  test("are ignored where Kubernetes made them, and refused where they took the place of ours", () => {
    const injected = {
      STATEGATE_SERVICE_HOST: "10.0.0.1",
      STATEGATE_SERVICE_PORT: "8080",
      STATEGATE_SERVICE_PORT_GRPC: "8080",
      STATEGATE_PORT_8080_TCP: "tcp://10.0.0.1:8080",
      STATEGATE_PORT_8080_TCP_PROTO: "tcp",
      STATEGATE_PORT_8080_TCP_PORT: "8080",
      STATEGATE_PORT_8080_TCP_ADDR: "10.0.0.1",
      STATEGATE_METRICS_PORT: "tcp://10.0.0.2:9090",
      STATEGATE_METRICS_SERVICE_HOST: "10.0.0.2"
    }
    assert.deepStrictEqual(accepted(injected).warnings, [])
    assert.strictEqual(accepted(injected).settings.metricsPort, 8081)
    const errors = refused({ ...injected, STATEGATE_PORT: "tcp://10.0.0.1:8080" })
    assert.strictEqual(errors.length, 1)
    assert.match(errors[0]!, /^STATEGATE_PORT: .*Kubernetes Service called stategate.*enableServiceLinks: false/)
  })
})
