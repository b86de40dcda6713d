import { describe, expect, it } from "vitest"
import { foreignHost, hostGuard, isLoopbackHost } from "../../../adapters/transport/http/host.ts"

describe("the name of a loopback host", () => {
  it.each(["localhost", "localhost:8080", "LOCALHOST:1", "localhost.", "app.localhost:8080", "a-b.c_d.localhost"])(
    "may be %s",
    (host) => expect(isLoopbackHost(host)).toBe(true)
  )

  it.each(["127.0.0.1", "127.0.0.1:8080", "127.255.0.9", "[::1]", "[::1]:8080"])("may be the address %s", (host) =>
    expect(isLoopbackHost(host)).toBe(true)
  )

  it.each([
    undefined,
    "",
    "evil.example",
    "localhost.evil.example",
    "evil-localhost",
    "127.0.0.1.evil.example",
    "127.evil.example",
    "128.0.0.1",
    "10.0.0.1:8080",
    "0.0.0.0",
    "[::2]",
    "::1",
    "localhost:",
    "localhost:8080:1",
    "user@localhost",
    "localhost/evil.example",
    "evil.example\nlocalhost",
    "localhost, evil.example"
  ])("is not %s", (host) => expect(isLoopbackHost(host)).toBe(false))
})

describe("the guard", () => {
  it.each(["127.0.0.1", "localhost", "::1", "[::1]", "127.0.0.2"])("without authentication, on %s", (boundTo) => {
    const guard = hostGuard({ authDisabled: true, boundTo })
    expect(guard("evil.example")).toBe(foreignHost)
    expect(guard(undefined)).toBe(foreignHost)
    expect(guard("localhost:8080")).toBeUndefined()
    expect(foreignHost.http).toBe(403)
  })

  it("is for nobody else: other names are what they are there for", () => {
    expect(hostGuard({ authDisabled: false, boundTo: "127.0.0.1" })("gate.example")).toBeUndefined()
    expect(hostGuard({ authDisabled: true, boundTo: "0.0.0.0" })("gate.example")).toBeUndefined()
  })
})
