import { Layer } from "effect"
import { PrimitivesUnderTest, primitivesContract } from "../../contract/CommitPrimitives.ts"
import { directly, primitivesOver, Rows } from "./simulated-rows.ts"

primitivesContract(
  "maps",
  Layer.sync(PrimitivesUnderTest, () => primitivesOver(new Rows(), directly))
)
