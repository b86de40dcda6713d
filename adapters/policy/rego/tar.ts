/** The files of a tar archive, by path without a leading `/` or `./`. Links and directories are left out. */
export const tarFiles = (archive: Uint8Array): ReadonlyMap<string, Uint8Array> => {
  const files = new Map<string, Uint8Array>()
  let longName: string | undefined
  for (let at = 0; at + blockBytes <= archive.length; ) {
    const header = archive.subarray(at, at + blockBytes)
    if (header[0] === 0) break
    const size = Number.parseInt(text(header.subarray(124, 136)), 8)
    if (!Number.isSafeInteger(size) || size < 0) throw new Error("the bundle is not a tar archive")
    const start = at + blockBytes
    if (start + size > archive.length) throw new Error("the bundle is cut off")
    const body = archive.subarray(start, start + size)
    const kind = String.fromCharCode(header[156]!)
    if (kind === "L") longName = text(body)
    else if (kind === "x") longName = /(?:^|\n)\d+ path=([^\n]*)\n/.exec(text(body))?.[1]
    else {
      const isUstar = text(header.subarray(257, 262)) === "ustar"
      const prefix = isUstar ? text(header.subarray(345, 500)) : ""
      const name = longName ?? `${prefix === "" ? "" : `${prefix}/`}${text(header.subarray(0, 100))}`
      longName = undefined
      if (kind === "0" || kind === "\0") files.set(name.replace(/^\.?\/+/, ""), body)
    }
    at = start + Math.ceil(size / blockBytes) * blockBytes
  }
  return files
}

const blockBytes = 512

/** Up to the first NUL. */
const text = (bytes: Uint8Array): string => {
  const end = bytes.indexOf(0)
  return new TextDecoder().decode(end < 0 ? bytes : bytes.subarray(0, end)).trim()
}
