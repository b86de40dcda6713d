import { create, toJson } from "@bufbuild/protobuf"
import type { JsonObject } from "../../../domain/json.ts"
import type { WireStatus } from "./status.ts"

/** `google.rpc.Status` as JSON: how a failure looks over plain HTTP. */
export const statusJson = ({ code, message, details }: WireStatus): JsonObject => ({
  code,
  message,
  details: details.map(({ desc, value }) => ({
    "@type": `type.googleapis.com/${desc.typeName}`,
    ...(toJson(desc, create(desc, value)) as JsonObject)
  }))
})
