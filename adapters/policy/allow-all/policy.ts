import { Effect, Layer } from "effect"
import { Policy } from "../../../application/ports/Policy.ts"

/** Allows everything; only for a gateway whose authentication is off. */
export const layer: Layer.Layer<Policy> = Layer.succeed(
  Policy,
  Policy.of({ allowsRequest: () => Effect.succeed(true), allowsResponse: () => Effect.succeed(true) })
)
