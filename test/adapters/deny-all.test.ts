import { layer } from "../../adapters/policy/deny-all/policy.ts"
import { contract } from "../contract/Policy.ts"

contract("deny-all", layer)
