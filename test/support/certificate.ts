// Certificates for tests, made by the openssl program and gone with the test. Nothing here outlives a day.

import { execFileSync } from "node:child_process"
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs"
import { tmpdir } from "node:os"
import { join } from "node:path"
import { need, program } from "./need.ts"

export const openssl = need("the program openssl", {
  enable: "apt-get install openssl",
  found: program("openssl")
})

export interface TestCertificates {
  readonly ca: string
  /** For 127.0.0.1 and localhost, signed by `ca`; good for a server as well as for a client. */
  readonly cert: string
  readonly key: string
  /** Signed by nobody else: what a stranger would show. */
  readonly strangerCert: string
  readonly strangerKey: string
}

export const testCertificates = (): TestCertificates => {
  const folder = mkdtempSync(join(tmpdir(), "stategate-certificate-"))
  const run = (...args: ReadonlyArray<string>) =>
    execFileSync(openssl.found ?? "openssl", args, { cwd: folder, stdio: ["ignore", "ignore", "pipe"] })
  const read = (file: string) => readFileSync(join(folder, file), "utf8")
  const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes"]
  try {
    for (const name of ["ca", "stranger"])
      run("req", "-x509", ...key, "-days", "1", "-subj", `/CN=${name}`, "-keyout", `${name}.key`, "-out", `${name}.pem`)
    run("req", ...key, "-subj", "/CN=localhost", "-keyout", "leaf.key", "-out", "leaf.csr")
    writeFileSync(join(folder, "leaf.ext"), "subjectAltName=DNS:localhost,IP:127.0.0.1\n")
    run(
      ...["x509", "-req", "-in", "leaf.csr", "-days", "1", "-extfile", "leaf.ext", "-out", "leaf.pem"],
      ...["-CA", "ca.pem", "-CAkey", "ca.key", "-set_serial", "1"]
    )
    return {
      ca: read("ca.pem"),
      cert: read("leaf.pem"),
      key: read("leaf.key"),
      strangerCert: read("stranger.pem"),
      strangerKey: read("stranger.key")
    }
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}
