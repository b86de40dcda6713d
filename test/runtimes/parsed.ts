import { type Environment, parseSettings, type Settings } from "../../runtimes/settings.ts"

/** Without it nothing starts. */
export const open = { STATEGATE_AUTH_DISABLED: "true" }

export const accepted = (env: Environment): { settings: Settings; warnings: ReadonlyArray<string> } => {
  const result = parseSettings({ ...open, ...env })
  if ("errors" in result) throw new Error(`refused: ${result.errors.join("\n")}`)
  return result
}

export const refused = (env: Environment): ReadonlyArray<string> => {
  const result = parseSettings({ ...open, ...env })
  return "errors" in result ? result.errors : []
}
