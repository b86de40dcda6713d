import { documentOf, merged, policySource } from "./bundle.ts"
import { type Compiled, type Problem, problemText, type RegoVersion } from "./compilation.ts"
import { compile } from "./compiler.ts"
import { Evaluator } from "./evaluator.ts"
import { MissingBuiltins } from "./instance.ts"
import { evaluationPagesMax, renewBytes } from "./limits.ts"
import { metered } from "./metering.ts"

/** The rule that decides. */
export const decidingRule = "data.stategate.authz.allow"
const entrypoint = "stategate/authz/allow"

/** A policy as bytes, and what problems call it: its variable, or its file. */
export interface Named {
  readonly name: string
  readonly bytes: Uint8Array
}

export interface LoadSettings {
  readonly policy: Named
  /** A JSON object, merged over the documents of a bundle. */
  readonly data: Named | undefined
  readonly version: RegoVersion | ""
  readonly budgetMs: number
  /** Where compiled policies are kept. */
  readonly folder: string | undefined
}

export interface LoadedPolicy {
  readonly evaluator: Evaluator
  /** What it was compiled as; undefined for Wasm. */
  readonly version: RegoVersion | undefined
}

/** A policy cannot be used; one line for each problem, with its place. */
export class PolicyRefused extends Error {}

/** Makes a policy ready to decide. Rejects with `PolicyRefused` when it cannot be. */
export const load = async ({ policy, data, version, budgetMs, folder }: LoadSettings): Promise<LoadedPolicy> => {
  try {
    const source = policySource(policy.name, policy.bytes)
    const document = data === undefined ? source.data : merged(source.data, documentOf(data.name, data.bytes))
    const compiled =
      source.wasm === undefined
        ? await compile({ modules: source.modules, entrypoints: [entrypoint], version }, folder)
        : undefined
    if (compiled !== undefined && compiled.problems.length > 0) throw refusal(compiled, policy.name)
    const wasm = source.wasm ?? Buffer.from(compiled!.wasm!, "base64")
    const module = await WebAssembly.compile(metered(wasm))
    const evaluator = evaluatorOf(policy.name, module, JSON.stringify(document), budgetMs, compiled)
    return { evaluator, version: compiled?.version }
  } catch (failure) {
    if (failure instanceof PolicyRefused) throw failure
    const reason = failure instanceof Error ? failure.message : String(failure)
    const isNamed = reason.startsWith(policy.name) || (data !== undefined && reason.startsWith(data.name))
    throw new PolicyRefused(isNamed ? reason : `${policy.name}: ${reason}`, { cause: failure })
  }
}

const evaluatorOf = (
  name: string,
  module: WebAssembly.Module,
  data: string,
  budgetMs: number,
  compiled: Compiled | undefined
): Evaluator => {
  try {
    return new Evaluator({ module, data, entrypoint, budgetMs, memoryPagesMax: evaluationPagesMax, renewBytes })
  } catch (failure) {
    if (!(failure instanceof MissingBuiltins)) throw failure
    const problems = failure.names.map((builtin): Problem => {
      const place = compiled?.calls[builtin] ?? { path: name, row: 0, column: 0 }
      return { ...place, reason: `${builtin} is not available here${reasons[builtin] ?? ""}` }
    })
    throw new PolicyRefused(problems.map((problem) => at(name, problem)).join("\n"))
  }
}

const refusal = ({ problems, version }: Compiled, name: string): PolicyRefused =>
  new PolicyRefused(problems.map((problem) => `${at(name, explained(problem))} (Rego ${version})`).join("\n"))

const at = (name: string, problem: Problem): string =>
  problem.row === 0 ? `${name}: ${problem.reason}` : problemText(problem)

const explained = (problem: Problem): Problem =>
  problem.reason.startsWith(`entrypoint "${entrypoint}"`)
    ? { ...problem, reason: `has no rule ${decidingRule}; it needs \`package stategate.authz\` and a rule \`allow\`` }
    : problem

const reasons: Readonly<Record<string, string>> = {
  "http.send": ": a decision must not wait for the network; put what it needs into the claims or the policy's data",
  "opa.runtime": ": a policy is not shown the environment",
  "net.lookup_ip_addr": ": a decision must not wait for the network"
}
