import { promisify } from "node:util"
import { brotliCompress, constants } from "node:zlib"
import type { Compression } from "@connectrpc/connect/protocol"
import { compressionBrotli, compressionGzip } from "@connectrpc/connect-node"

const compress = promisify(brotliCompress)

// The best quality, which is the default, takes seconds for a full page. This one is as quick as gzip, and no larger.
const params = { [constants.BROTLI_PARAM_QUALITY]: 4 }

const brotli: Compression = {
  ...compressionBrotli,
  compress: async (bytes) => new Uint8Array(await compress(bytes, { params }))
}

/** What callers may compress with, and ask for. */
export const compressions: ReadonlyArray<Compression> = [compressionGzip, brotli]
