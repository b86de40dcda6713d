import type { Reporter, TestModule } from "vitest/node"

const everyMs = 60_000

/** Says once a minute how many files are done and which are running, so that a run that hangs says where. */
export default class Progress implements Reporter {
  readonly #begun = performance.now()
  readonly #running = new Set<string>()
  #done = 0
  #timer: NodeJS.Timeout | undefined

  onTestRunStart(): void {
    this.#timer = setInterval(() => {
      const seconds = Math.round((performance.now() - this.#begun) / 1000)
      process.stdout.write(`[${seconds} s] ${this.#done} files are done; running: ${[...this.#running].join(", ")}\n`)
    }, everyMs)
  }

  onTestModuleQueued({ relativeModuleId }: TestModule): void {
    this.#running.add(relativeModuleId)
  }

  onTestModuleEnd({ relativeModuleId }: TestModule): void {
    this.#running.delete(relativeModuleId)
    this.#done += 1
  }

  onTestRunEnd(): void {
    clearInterval(this.#timer)
  }
}
