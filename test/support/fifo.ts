import { execFileSync } from "node:child_process"
import { closeSync, constants, openSync } from "node:fs"
import { Socket } from "node:net"

/** A pipe that nobody reads until the test does. */
export interface Fifo {
  /** What a child process writes to; closed with `closeWriter` once the child has it. */
  readonly writer: number
  readonly closeWriter: () => void
  /** Reads to the end, that is, until the last writer is gone; `onText` gets what has come so far, each time. */
  readonly read: (onText?: (text: string) => void) => Promise<string>
  /** Takes the reader away without reading. */
  readonly close: () => void
}

export const openFifo = (path: string): Fifo => {
  execFileSync("mkfifo", [path])
  const reader = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const writer = openSync(path, constants.O_WRONLY)
  let socket: Socket | undefined
  return {
    writer,
    closeWriter: () => closeSync(writer),
    read: async (onText = () => {}) => {
      socket = new Socket({ fd: reader, readable: true, writable: false })
      let text = ""
      for await (const chunk of socket.setEncoding("utf8")) {
        text += chunk
        onText(text)
      }
      return text
    },
    close: () => {
      if (socket === undefined) closeSync(reader)
      else socket.destroy()
    }
  }
}
