import { standardOutput } from "../adapters/telemetry/pino/output.ts"
import { logLastMsMax } from "../application/limits.ts"

/**
 * Writes to standard error why the process ends: a text for people where that is a terminal, else a JSON line, as in the
 * log. Resolves when somebody has read it, and after `logLastMsMax` milliseconds in any case.
 */
export const reportRefusal = async (what: string, ...reasons: ReadonlyArray<string>): Promise<void> => {
  const text = process.stderr.isTTY ? readable(what, reasons) : jsonLine(what, reasons)
  await new Promise<void>((resolve) => {
    const timer = setTimeout(resolve, logLastMsMax)
    standardOutput(2).write(text, () => {
      clearTimeout(timer)
      resolve()
    })
  })
}

const readable = (what: string, reasons: ReadonlyArray<string>): string =>
  reasons.length === 1 ? `${what}: ${reasons[0]}\n` : `${what}:\n${reasons.map((reason) => `  ${reason}\n`).join("")}`

const jsonLine = (what: string, reasons: ReadonlyArray<string>): string =>
  `${JSON.stringify({ level: "fatal", time: new Date(), msg: `${what}: ${reasons.join("; ")}`, reasons })}\n`
