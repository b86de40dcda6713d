import { Code } from "@connectrpc/connect"
import { codeToString } from "@connectrpc/connect/protocol-connect"
import { listenerLimits } from "../../../application/limits.ts"
import { callIdOf } from "../call/call-id.ts"
import type { Gate } from "../call/gate.ts"
import type { WireStatus } from "../call/status.ts"
import { statusJson } from "../call/status-json.ts"
import type { RequestHead } from "./request-head.ts"

const { headerBytesMax, headersMax } = listenerLimits

const oversizedHeaders: WireStatus = {
  code: Code.ResourceExhausted,
  http: 431,
  message: `the headers exceed ${headerBytesMax} bytes or ${headersMax} fields; send fewer or shorter ones`,
  details: [],
  headers: {}
}

/** Refuses requests whose headers exceed the listener's limits, each in the form of its protocol. */
export const refuseOversized =
  (gate: Gate["Service"], { isRpc }: { readonly isRpc: (path: string) => boolean }) =>
  ({ path, header }: RequestHead) => {
    const callId = callIdOf(header("x-request-id"))
    const type = header("content-type") ?? ""
    const isGrpc = type.startsWith("application/grpc")
    // Calls by GET have their message in the query.
    const [procedure = ""] = path.split("?", 1)
    const isCall = isRpc(procedure)
    const protocol = isGrpc
      ? type.startsWith("application/grpc-web")
        ? "grpc-web"
        : "grpc"
      : isCall
        ? "connect"
        : "http"
    // Paths of other requests are any text: as names of methods they would make any number of metrics.
    gate.refused(isCall ? procedure : "oversized headers", { protocol, callId }, oversizedHeaders)
    const { code, http, message } = oversizedHeaders
    if (isGrpc) {
      // Trailers-Only: a status without a message is all in the headers.
      const headers = {
        "content-type": type,
        "grpc-status": String(code),
        "grpc-message": message,
        "x-request-id": callId
      }
      return { status: 200, headers, body: "" }
    }
    const body = isCall ? { code: codeToString(code), message } : statusJson(oversizedHeaders)
    const headers = { "content-type": "application/json", "x-request-id": callId }
    return { status: http, headers, body: JSON.stringify(body) }
  }
