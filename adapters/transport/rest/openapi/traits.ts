import type { DescMessage } from "@bufbuild/protobuf"
import { EventRefSchema } from "../../../../proto/gen/stategate/stategate_pb.js"
import type { Route } from "../routes.ts"

/** What is said of a call follows from its messages, so that a new one is described like those it resembles. */

export const isStream = ({ rpc }: Route): boolean => rpc.methodKind === "server_streaming"

/** Whether it is about one version: a change that may expect one, or a read that answers with one. */
export const isVersioned = ({ rpc, method }: Route): boolean => has(method?.mutates ? rpc.input : rpc.output, "version")

/** Whether a state comes with the call, so that there need be none before. */
export const creates = ({ rpc, method }: Route): boolean => method?.mutates === true && has(rpc.input, "values")

/** Whether the request names an event, or may hold something that does. */
export const namesEvents = ({ rpc }: Route): boolean => holds(rpc.input, new Set())

const has = ({ fields }: DescMessage, wanted: string): boolean => fields.some(({ name }) => name === wanted)

const holds = (desc: DescMessage, seen: Set<DescMessage>): boolean => {
  if (desc === EventRefSchema) return true
  if (seen.has(desc)) return false
  seen.add(desc)
  return desc.fields.some(({ message }) => message !== undefined && holds(message, seen))
}
