import { type InstanceSettings, PolicyInstance, type Prepared } from "./instance.ts"

export interface EvaluatorSettings extends Omit<InstanceSettings, "prepared"> {
  /** The rule that decides, as a path. */
  readonly entrypoint: string
  /** Bytes of memory after which an instance is replaced before its next evaluation: memory of Wasm never shrinks. */
  readonly renewBytes: number
}

/** Evaluates one rule of one policy, and replaces the instance when it failed or has grown. */
export class Evaluator {
  readonly #settings: EvaluatorSettings
  readonly #prepared: Prepared
  readonly #entrypoint: number
  #instance: PolicyInstance | undefined

  /** Fails when the policy cannot be used: it needs a builtin that is missing, or has no such rule. */
  constructor(settings: EvaluatorSettings) {
    this.#settings = settings
    const first = new PolicyInstance(settings)
    const entrypoint = first.entrypoints.get(settings.entrypoint)
    if (entrypoint === undefined) {
      const known = [...first.entrypoints.keys()].join(", ")
      throw new Error(`the policy has no entrypoint ${settings.entrypoint}; it has ${known === "" ? "none" : known}`)
    }
    this.#entrypoint = entrypoint
    this.#prepared = first.prepared()
    this.#instance = first
  }

  /** Whether the rule is exactly `true`. Throws when the policy fails, or takes longer than its budget. */
  allows(input: string): boolean {
    const instance = this.#ready()
    try {
      return instance.isTrue(this.#entrypoint, input)
    } catch (failure) {
      this.#instance = undefined
      throw failure
    }
  }

  /** Bytes of memory that the instance holds. */
  get memoryBytes(): number {
    return this.#instance?.memoryBytes ?? 0
  }

  #ready(): PolicyInstance {
    if (this.#instance === undefined || this.#instance.memoryBytes > this.#renewBytes) {
      this.#instance = new PolicyInstance({ ...this.#settings, prepared: this.#prepared })
    }
    return this.#instance
  }

  /** Data that takes more than the bound by itself must not make every evaluation start anew. */
  get #renewBytes(): number {
    return this.#settings.renewBytes + this.#prepared.memory.length
  }
}
