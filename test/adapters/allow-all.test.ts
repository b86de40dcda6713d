import { layer } from "../../adapters/policy/allow-all/policy.ts"
import { contract } from "../contract/Policy.ts"

contract("allow-all", layer)
