import { Layer } from "effect"
import { PrimitivesUnderTest, primitivesContract } from "../contract/Primitives.ts"
import { directly, primitivesOver, Rows } from "./claims-rows.ts"

primitivesContract(
  "maps",
  Layer.sync(PrimitivesUnderTest, () => primitivesOver(new Rows(), directly))
)
