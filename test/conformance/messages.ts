// The messages of the conformance suite. They are read from its own proto files when a test runs, so that nothing of it
// is copied here; these are the types of what the server uses.

import { readFileSync } from "node:fs"
import {
  createFileRegistry,
  type DescMessage,
  type DescService,
  fromBinary,
  type Message,
  type Registry
} from "@bufbuild/protobuf"
import { type Any, FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt"

export interface Header {
  readonly name: string
  readonly value: Array<string>
}

export interface Failure {
  readonly code: number
  readonly message?: string
  readonly details: Array<Any>
}

export interface UnaryDefinition {
  readonly responseHeaders: Array<Header>
  readonly responseTrailers: Array<Header>
  readonly response:
    | { readonly case: "responseData"; readonly value: Uint8Array<ArrayBuffer> }
    | { readonly case: "error"; readonly value: Failure }
    | { readonly case: undefined; readonly value?: undefined }
  readonly responseDelayMs: number
}

export interface StreamDefinition {
  readonly responseHeaders: Array<Header>
  readonly responseTrailers: Array<Header>
  readonly responseData: Array<Uint8Array<ArrayBuffer>>
  readonly responseDelayMs: number
  readonly error?: Failure
}

export type UnaryRequest = Message & { readonly responseDefinition?: UnaryDefinition }
export type StreamRequest = Message & { readonly responseDefinition?: StreamDefinition; readonly fullDuplex?: boolean }

export type ServerRequest = Message & {
  readonly useTls: boolean
  readonly clientTlsCert: Uint8Array
  readonly messageReceiveLimit: number
  readonly serverCreds?: { readonly cert: Uint8Array; readonly key: Uint8Array }
}

export interface Suite {
  readonly registry: Registry
  readonly service: DescService
  readonly message: (name: string) => DescMessage
}

const packageName = "connectrpc.conformance.v1"

/** Reads the descriptors that `buf build` made of the suite's proto files. */
export const readSuite = (path: string): Suite => {
  const registry = createFileRegistry(fromBinary(FileDescriptorSetSchema, readFileSync(path)))
  return {
    registry,
    service: registry.getService(`${packageName}.ConformanceService`)!,
    message: (name) => registry.getMessage(`${packageName}.${name}`)!
  }
}
