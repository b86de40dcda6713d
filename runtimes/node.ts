// The program: a gateway, or with the name of a command one of the things that an operator does now and then.

import "./floor.js"
import { commandOf } from "./commands/arguments.ts"
import { reportRefusal } from "./refusal.ts"

const command = commandOf(process.argv.slice(2), process.env)
if ("problem" in command) {
  await reportRefusal("stategate", command.problem)
  process.exit(2)
}
if (command.name === "serve") await import("./gateway.ts")
else process.exit(await (await import("./commands/run.ts")).run(command))
