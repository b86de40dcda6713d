import { assert, describe, test } from "vitest"
import { accepted, refused } from "./parsed.ts"

describe("policies", () => {
  const base64 = (text: string) => Buffer.from(text).toString("base64")

  test("are Base64, wrapped or not, or a file", () => {
    const wrapped = base64("package stategate.authz").replace(/(.{8})/g, "$1\n")
    const { rego } = accepted({
      STATEGATE_REQUEST_POLICY: wrapped,
      STATEGATE_RESPONSE_POLICY_FILE: "/etc/a.rego"
    }).settings
    assert.deepStrictEqual(rego?.request, {
      _tag: "Inline",
      name: "STATEGATE_REQUEST_POLICY",
      bytes: Buffer.from("package stategate.authz")
    })
    assert.deepStrictEqual(rego?.response, {
      _tag: "File",
      name: "STATEGATE_RESPONSE_POLICY_FILE",
      path: "/etc/a.rego"
    })
    assert.deepStrictEqual([rego?.version, rego?.budgetMs, rego?.folder], ["", 50, "./data/policies"])
  })

  test("are none where only their data is set", () => {
    assert.isUndefined(accepted({ STATEGATE_POLICY_DATA: "{}" }).settings.rego)
  })

  test("allow requests without a request policy only where authentication is off", () => {
    const response = { STATEGATE_RESPONSE_POLICY: base64("package stategate.authz") }
    const jwt = { STATEGATE_AUTH_DISABLED: undefined, STATEGATE_JWKS_URI: "https://id.example.com/keys" }
    assert.isTrue(accepted(response).settings.rego?.allowsByDefault)
    assert.isFalse(accepted({ ...response, ...jwt }).settings.rego?.allowsByDefault)
  })

  test("are refused with the variable's name", () => {
    const policy = base64("package stategate.authz")
    const refusals = [
      [
        { STATEGATE_REQUEST_POLICY: "package stategate.authz\nallow := true" },
        /^STATEGATE_REQUEST_POLICY: must be Base64/
      ],
      [
        { STATEGATE_REQUEST_POLICY: policy, STATEGATE_REQUEST_POLICY_FILE: "/etc/a.rego" },
        /^STATEGATE_REQUEST_POLICY and STATEGATE_REQUEST_POLICY_FILE: set one/
      ],
      [{ STATEGATE_REQUEST_POLICY: policy, STATEGATE_POLICY_DISABLED: "true" }, /^STATEGATE_POLICY_DISABLED: unset it/],
      [{ STATEGATE_REGO_VERSION: "2" }, /^STATEGATE_REGO_VERSION: must be v0 or v1/],
      [{ STATEGATE_POLICY_BUDGET: "0ms" }, /^STATEGATE_POLICY_BUDGET: must be from 1ms to 10s/],
      [{ STATEGATE_DECISION_LOG: "some" }, /^STATEGATE_DECISION_LOG: must be none, denied or all/]
    ] as const
    for (const [env, expected] of refusals) {
      const errors = refused(env)
      assert.lengthOf(errors, 1)
      assert.match(errors[0]!, expected)
    }
  })
})
