import { layer } from "../../adapters/auth/disabled/authenticator.ts"
import { contract } from "../contract/Authenticator.ts"

contract("disabled", layer)
