import { layer } from "../../adapters/channel/inmem/channel.ts"
import { contract } from "../contract/Channel.ts"

contract("inmem", layer)
