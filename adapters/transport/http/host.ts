import { Code } from "@connectrpc/connect"
import type { WireStatus } from "../call/status.ts"

const loopbackName = /^(?:(?:[a-z0-9_-]+\.)*localhost\.?|127(?:\.\d{1,3}){3}|\[::1\])(?::\d{1,5})?$/i

const loopbackAddress = /^(?:localhost|127(?:\.\d{1,3}){3}|\[?::1\]?)$/i

/** Whether a `Host` or `:authority` names this machine, and can name no other. */
export const isLoopbackHost = (host: string | undefined): boolean => host !== undefined && loopbackName.test(host)

export const foreignHost: WireStatus = {
  code: Code.PermissionDenied,
  http: 403,
  message: "without authentication, this gateway answers only to localhost; the Host header names another host",
  details: [],
  headers: {}
}

/**
 * Guards a gateway that trusts everyone on its machine. A page on the internet may have its own name resolve to
 * 127.0.0.1, and the browser then takes the gateway for a part of that site; only the `Host` header tells.
 */
export const hostGuard = ({
  authDisabled,
  boundTo
}: {
  readonly authDisabled: boolean
  readonly boundTo: string
}): ((host: string | undefined) => WireStatus | undefined) => {
  const guards = authDisabled && loopbackAddress.test(boundTo)
  return (host) => (guards && !isLoopbackHost(host) ? foreignHost : undefined)
}

const hostForm = /^(?:\[[0-9a-f:.]+\]|(?:[\w.~!$&'()*+,;=-]|%[0-9a-f]{2})+)(?::(\d{0,5}))?$/i

/** Whether a `Host` or `:authority` is one (RFC 9110, section 7.2). */
export const isHost = (text: string): boolean => {
  const [found, port = ""] = hostForm.exec(text) ?? []
  return found !== undefined && Number(port) <= 65_535
}
