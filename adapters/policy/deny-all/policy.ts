import { Effect, Layer } from "effect"
import { Policy } from "../../../application/ports/Policy.ts"

/** Denies everything: for a gateway that knows who calls, and was not told what they may do. */
export const layer: Layer.Layer<Policy> = Layer.succeed(
  Policy,
  Policy.of({ allowsRequest: () => Effect.succeed(false), allowsResponse: () => Effect.succeed(false) })
)
