import { existsSync, rmSync, writeFileSync } from "node:fs"
import { program } from "../../test/support/need.ts"
import { execute } from "./cache.ts"

/** Installs packages of the distribution, and starts none of the servers that come with them. */
export const aptInstall = async (...packages: ReadonlyArray<string>): Promise<void> => {
  const wanted = `apt-get install ${packages.join(" ")}`
  if (program("apt-get") === undefined) throw new Error(`there is no apt-get for: ${wanted}`)
  if (process.getuid?.() !== 0) throw new Error(`only root may: ${wanted}`)
  const policy = "/usr/sbin/policy-rc.d"
  const isOurs = !existsSync(policy)
  if (isOurs) writeFileSync(policy, "#!/bin/sh\nexit 101\n", { mode: 0o755 })
  try {
    const env = { DEBIAN_FRONTEND: "noninteractive" }
    await execute("apt-get", ["update", "-qq"], env)
    await execute("apt-get", ["install", "-qq", "-y", "--no-install-recommends", ...packages], env)
  } finally {
    if (isOurs) rmSync(policy)
  }
}
