import { createHash } from "node:crypto"
import { existsSync, globSync, readFileSync, realpathSync } from "node:fs"
import { dirname, join } from "node:path"
import { program } from "../../test/support/need.ts"
import { root } from "../testing/run.ts"
import { aptInstall } from "./apt.ts"
import { cached, execute, type Installable, make } from "./cache.ts"

const pom = join(root, "test", "services", "pom.xml")
const text = readFileSync(pom, "utf8")
const [, version = ""] = /<artifactId>cassandra-all<\/artifactId>\s*<version>(.+)<\/version>/.exec(text) ?? []
// Another pom is another folder.
const folder = `cassandra-${version}-${createHash("sha256").update(text).digest("hex").slice(0, 8)}`

/** Holds Cassandra and all that it is made of. */
export const cassandraJars = cached(folder)

/** A Java that this Cassandra runs on. */
export const findJava = (): string | undefined => {
  const homes = [process.env.JAVA_HOME, ...globSync("/usr/lib/jvm/*")].filter((home) => home !== undefined)
  const onPath = program("java")
  return [...(onPath === undefined ? [] : [onPath]), ...homes.map((home) => join(home, "bin", "java"))].find(
    (java) => existsSync(java) && /^JAVA_VERSION="(11|17)\./m.test(releaseOf(java))
  )
}

const releaseOf = (java: string): string => {
  const release = join(dirname(realpathSync(java)), "..", "release")
  return existsSync(release) ? readFileSync(release, "utf8") : ""
}

export const cassandra: Installable = {
  name: `Cassandra ${version}`,
  isInstalled: () => existsSync(cassandraJars) && findJava() !== undefined,
  install: async () => {
    if (findJava() === undefined) await aptInstall("openjdk-17-jre-headless")
    if (existsSync(cassandraJars)) return
    if (program("mvn") === undefined) await aptInstall("maven")
    await make(folder, (made, scratch) =>
      execute("mvn", [
        "-B",
        "-ntp",
        `-Dmaven.repo.local=${join(scratch, "repository")}`,
        "-f",
        pom,
        "dependency:copy-dependencies",
        `-DoutputDirectory=${made}`
      ])
    )
  }
}
