import { promisify } from "node:util"
import { brotliCompress, brotliDecompress, constants, gunzip } from "node:zlib"
import { Code, ConnectError } from "@connectrpc/connect"
import type { Compression } from "@connectrpc/connect/protocol"
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node"
import {
  decompressedRatioMax,
  decompressedSmallBytes,
  decompressionsAtOnceMax,
  decompressionsWaitingMax
} from "../../../application/limits.ts"

const compress = promisify(brotliCompress)

// The best quality, which is the default, takes seconds for a full page. This one is as quick as gzip, and no larger.
const params = { [constants.BROTLI_PARAM_QUALITY]: 4 }

type Decompress = (bytes: Uint8Array, options: { readonly maxOutputLength: number }) => Promise<Buffer<ArrayBuffer>>

/** Bytes that a message of so many compressed bytes may become: a few bytes can become gigabytes. */
export const decompressedBytesMax = (compressed: number, bytesMax: number): number =>
  Math.min(bytesMax, Math.max(decompressedSmallBytes, compressed * decompressedRatioMax))

const refusedAt = (max: number, bytesMax: number): ConnectError =>
  new ConnectError(
    max < bytesMax
      ? `the message expands to more than ${decompressedRatioMax} times its size; send it uncompressed`
      : `the message is larger than ${bytesMax} bytes`,
    Code.ResourceExhausted
  )

const busy = new ConnectError("too many messages wait to be decompressed; try again later", Code.ResourceExhausted)

let running = 0
const waiting: Array<() => void> = []

/** Runs a few at a time, in the order in which they came: each holds all of its output until it ends. */
const inTurn = async <A>(run: () => Promise<A>): Promise<A> => {
  if (waiting.length >= decompressionsWaitingMax) throw busy
  if (running >= decompressionsAtOnceMax) await new Promise<void>((resolve) => waiting.push(resolve))
  else running += 1
  try {
    return await run()
  } finally {
    // The next one takes the place of this one, so that no later one overtakes it.
    const next = waiting.shift()
    if (next === undefined) running -= 1
    else next()
  }
}

const bounded =
  (decompress: Decompress): Compression["decompress"] =>
  async (bytes, bytesMax) => {
    if (bytes.length === 0) return new Uint8Array()
    const maxOutputLength = decompressedBytesMax(bytes.length, bytesMax)
    try {
      return await inTurn(() => decompress(bytes, { maxOutputLength }))
    } catch (error) {
      if (error instanceof ConnectError) throw error
      if ((error as { readonly code?: string }).code === "ERR_BUFFER_TOO_LARGE") {
        throw refusedAt(maxOutputLength, bytesMax)
      }
      throw new ConnectError("the message cannot be decompressed", Code.InvalidArgument)
    }
  }

const gzip: Compression = { ...compressionGzip, decompress: bounded(promisify(gunzip) as Decompress) }

const brotli: Compression = {
  name: compressionBrotli.name,
  compress: async (bytes) => new Uint8Array(await compress(bytes, { params })),
  decompress: bounded(promisify(brotliDecompress) as Decompress)
}

/** What callers may compress with, and ask for. */
export const compressions: ReadonlyArray<Compression> = [gzip, brotli]
