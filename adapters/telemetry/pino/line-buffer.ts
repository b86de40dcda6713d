import { logHeldCharsMax, logHeldMs, logLastMsMax, logWaitingCharsMax } from "../../../application/limits.ts"
import type { Output } from "./output.ts"

export interface LineBufferOptions {
  readonly output: Output
  /** The line that says how many lines were lost before it, with its line break. */
  readonly lossLine: (lines: number) => string
  /** Called with the number of lines that were lost just now. */
  readonly onLost?: ((lines: number) => void) | undefined
}

/**
 * Buffers lines for a moment and writes them together, one write at a time. While nobody reads the output it holds up to
 * `logWaitingCharsMax` characters and drops further lines. After the next successful write, a line reports how many were
 * lost.
 */
export class LineBuffer {
  readonly #options: LineBufferOptions
  /** Lines that the output does not have yet. */
  #held = ""
  #heldLines = 0
  /** Characters of the write that is under way. */
  #writing = 0
  /** Lines that were lost since the last loss line. */
  #lost = 0
  #emptied: (() => void) | undefined

  constructor(options: LineBufferOptions) {
    this.#options = options
    setInterval(() => this.flush(), logHeldMs).unref()
  }

  /** Characters in memory that nobody has read. */
  get waitingChars(): number {
    return this.#held.length + this.#writing
  }

  /** Takes one line, with its line break. */
  readonly write = (line: string): void => {
    if (this.waitingChars + line.length > logWaitingCharsMax) this.#lose(1)
    else this.#hold(line)
    if (this.#held.length > logHeldCharsMax) this.flush()
  }

  /** Begins to write what is held, unless a write is under way. */
  readonly flush = (): void => {
    if (this.#writing > 0 || this.#held === "") return
    const text = this.#held
    const lines = this.#heldLines
    this.#held = ""
    this.#heldLines = 0
    this.#writing = text.length
    this.#options.output.write(text, (error) => {
      this.#writing = 0
      if (error) this.#lose(lines)
      else this.#reportLoss()
      if (this.#held.length > logHeldCharsMax || this.#emptied !== undefined) this.flush()
      if (this.waitingChars === 0) this.#emptied?.()
    })
  }

  /** Resolves when all lines are written, and after `logLastMsMax` milliseconds in any case. */
  readonly drain = (): Promise<void> =>
    new Promise((resolve) => {
      const timer = setTimeout(resolve, logLastMsMax)
      this.#emptied = () => {
        clearTimeout(timer)
        resolve()
      }
      this.flush()
      if (this.waitingChars === 0) this.#emptied()
    })

  #hold(line: string): void {
    this.#held += line
    this.#heldLines++
  }

  #lose(lines: number): void {
    this.#lost += lines
    this.#options.onLost?.(lines)
  }

  #reportLoss(): void {
    if (this.#lost === 0) return
    this.#hold(this.#options.lossLine(this.#lost))
    this.#lost = 0
  }
}
