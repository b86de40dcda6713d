import { existsSync, renameSync, writeFileSync } from "node:fs"
import { join } from "node:path"
import { program } from "../../test/support/need.ts"
import { cached, execute, type Installable, make } from "./cache.ts"

const version = "1.24.0"
const folder = `ferretdb-${version}`

export const ferretdbProgram = join(cached(folder), "ferretdb")

/** Speaks the protocol of MongoDB, and keeps what it is given in PostgreSQL. */
export const ferretdb: Installable = {
  name: `FerretDB ${version}`,
  isInstalled: () => existsSync(ferretdbProgram),
  install: async () => {
    if (program("go") === undefined) throw new Error("it is built with Go, and there is none")
    await make(folder, async (made, scratch) => {
      const modules = join(scratch, "modules")
      const env = {
        GOPATH: join(scratch, "go"),
        GOMODCACHE: modules,
        GOCACHE: join(scratch, "build"),
        // What is read-only, nobody could take away again.
        GOFLAGS: "-modcacherw -buildvcs=false"
      }
      await execute("go", ["mod", "download", `github.com/FerretDB/FerretDB@v${version}`], env)
      const source = join(scratch, "source")
      renameSync(join(modules, "github.com", "!ferret!d!b", `!ferret!d!b@v${version}`), source)
      // Its releases are built from a checkout, where this file is made.
      writeFileSync(join(source, "build", "version", "version.txt"), `v${version}\n`)
      await execute("go", ["build", "-C", source, "-trimpath", "-o", join(made, "ferretdb"), "./cmd/ferretdb"], env)
    })
  }
}
