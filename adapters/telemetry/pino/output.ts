import { constants, fstatSync, openSync, writeSync } from "node:fs"
import { logRetryMs } from "../../../application/limits.ts"

/** A non-blocking output of the process, for one write at a time. */
export interface Output {
  /** Calls back when the system has taken the whole text, or with the reason why some of it is lost. */
  readonly write: (text: string, done: (error?: Error | null) => void) => void
}

/**
 * Standard output or standard error. Pipes and sockets are written to by Node's streams, which do not wait. Terminals
 * and files are written to directly: a stream would stop the whole process while a terminal is stopped with Ctrl-S,
 * and would lose the rest of a line that fits on a full disk in part.
 */
export const standardOutput = (fd: 1 | 2): Output => {
  const stream = fd === 1 ? process.stdout : process.stderr
  const direct = stream.isTTY ? openTerminal(fd) : isFile(fd) ? fd : undefined
  if (direct !== undefined) return directOutput(direct)
  // The reader of the pipe has closed it: lines are lost, and calls go on being served.
  stream.on("error", () => {})
  return { write: (text, done) => void stream.write(text, done) }
}

/**
 * A second descriptor of the terminal that does not block. The first one is shared with the shell, which would find it
 * changed. Undefined where the system has no such path or does not allow it.
 */
const openTerminal = (fd: number): number | undefined => {
  try {
    return openSync(`/proc/self/fd/${fd}`, constants.O_WRONLY | constants.O_NONBLOCK | constants.O_NOCTTY)
  } catch {
    return undefined
  }
}

const isFile = (fd: number): boolean => {
  try {
    return fstatSync(fd).isFile()
  } catch {
    return false
  }
}

// A terminal that takes nothing at the moment, a disk that is full, and a file at its limit. All may have room later.
const hasNoRoom = new Set(["EAGAIN", "ENOSPC", "EDQUOT", "EFBIG"])

const directOutput = (fd: number): Output => ({
  write: (text, done) => {
    const bytes = Buffer.from(text)
    let written = 0
    const go = () => {
      try {
        while (written < bytes.length) written += writeSync(fd, bytes, written)
      } catch (error) {
        if (!hasNoRoom.has((error as NodeJS.ErrnoException).code ?? "")) return done(error as Error)
        return void setTimeout(go, logRetryMs).unref()
      }
      done()
    }
    go()
  }
})
