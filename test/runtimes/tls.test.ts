import { execFileSync } from "node:child_process"
import { chmodSync } from "node:fs"
import { afterAll, assert, beforeAll, describe, test } from "vitest"
import { tlsSettings } from "../../runtimes/tls.ts"
import { openssl, type TestCertificates, testCertificates } from "../support/certificate.ts"
import { temporaryFolder } from "../support/process.ts"
import { accepted, refused } from "./parsed.ts"

describe("the files of TLS", openssl.options, () => {
  let folder: ReturnType<typeof temporaryFolder>
  let pem: TestCertificates
  let certFile: string
  let keyFile: string
  beforeAll(() => {
    folder = temporaryFolder()
    pem = testCertificates()
    certFile = folder.write("cert.pem", pem.cert)
    keyFile = folder.write("key.pem", pem.key)
  })
  afterAll(() => folder.remove())

  const files = (cert?: string, key?: string, ca?: string) => ({
    STATEGATE_TLS_CERT_FILE: cert,
    STATEGATE_TLS_KEY_FILE: key,
    STATEGATE_TLS_CLIENT_CA_FILE: ca
  })
  /** The only problem, which names both variables of the pair. */
  const problem = (cert?: string, key?: string, ca?: string) => {
    const errors = refused(files(cert, key, ca))
    assert.strictEqual(errors.length, 1, errors.join("\n"))
    assert.include(errors[0], "STATEGATE_TLS_CERT_FILE")
    assert.match(errors[0]!, /STATEGATE_TLS_(KEY|CLIENT_CA)_FILE/)
    return errors[0]!
  }
  const run = (...args: ReadonlyArray<string>) =>
    execFileSync(openssl.found!, args, { cwd: folder.path, stdio: ["ignore", "ignore", "pipe"] })

  test("are read at start", () => {
    const tls = { cert: pem.cert, key: pem.key, clientCa: undefined }
    assert.deepStrictEqual(accepted(files(certFile, keyFile)).settings.tls, tls)
    const clientCa = `${pem.ca}${pem.strangerCert}`
    const mutual = accepted(files(certFile, keyFile, folder.write("ca.pem", clientCa)))
    assert.deepStrictEqual(mutual, { settings: { ...mutual.settings, tls: { ...tls, clientCa } }, warnings: [] })
  })

  test("come together", () => {
    assert.strictEqual(
      problem(undefined, keyFile),
      "STATEGATE_TLS_CERT_FILE: must be set too, since STATEGATE_TLS_KEY_FILE is"
    )
    assert.strictEqual(problem(certFile), "STATEGATE_TLS_KEY_FILE: must be set too, since STATEGATE_TLS_CERT_FILE is")
    const ca = folder.write("ca.pem", pem.ca)
    assert.deepStrictEqual(refused(files(undefined, undefined, ca)), [
      "STATEGATE_TLS_CERT_FILE: must be set too, since STATEGATE_TLS_CLIENT_CA_FILE is",
      "STATEGATE_TLS_KEY_FILE: must be set too, since STATEGATE_TLS_CLIENT_CA_FILE is"
    ])
  })

  test("are named with what is wrong: not there, a folder, a device, too large, closed", () => {
    const missing = `${folder.path}/missing.pem`
    assert.include(problem(missing, keyFile), `STATEGATE_TLS_CERT_FILE: there is no file "${missing}". It must be`)
    assert.include(problem(certFile, missing), `STATEGATE_TLS_KEY_FILE: there is no file "${missing}". It must be`)
    assert.include(problem(certFile, keyFile, missing), `STATEGATE_TLS_CLIENT_CA_FILE: there is no file "${missing}"`)
    assert.include(problem(folder.path, keyFile), "is a folder")
    assert.include(problem("/dev/zero", keyFile), "is not a file")
    assert.include(problem(folder.write("large.pem", "x".repeat(1024 * 1024 + 1)), keyFile), "more than 1048576 bytes")
    assert.include(problem("a".repeat(5_000), keyFile), "cannot be read (ENAMETOOLONG)")
    if (process.getuid?.() === 0) return
    const closed = folder.write("closed.pem", pem.key)
    chmodSync(closed, 0)
    assert.include(problem(certFile, closed), "cannot be read by this user (EACCES)")
  })

  test("have to hold what they are for, as PEM", () => {
    run("x509", "-in", "cert.pem", "-outform", "DER", "-out", "cert.der")
    const block = (kind: string) => `-----BEGIN ${kind}-----\nbm90aGluZw==\n-----END ${kind}-----\n`
    for (const text of ["", "no PEM"]) {
      assert.include(problem(folder.write("text.pem", text), keyFile), '/text.pem" holds no PEM')
      assert.include(problem(certFile, folder.write("text.pem", text)), '/text.pem" holds no PEM')
      assert.include(problem(certFile, keyFile, folder.write("text.pem", text)), '/text.pem" holds no PEM')
    }
    assert.include(problem(`${folder.path}/cert.der`, keyFile), "holds no PEM")
    const broken = folder.write("broken.pem", pem.cert + block("CERTIFICATE"))
    assert.include(problem(broken, keyFile), "certificate 2 of")
    assert.include(problem(certFile, keyFile, broken), "certificate 2 of")
    const brokenKey = folder.write("broken.key", block("PRIVATE KEY"))
    assert.include(problem(certFile, brokenKey), "the private key in")
    assert.deepStrictEqual(
      refused(files(keyFile, certFile)).map((error) => error.split(". ")[0]),
      [
        `STATEGATE_TLS_CERT_FILE: "${keyFile}" holds a private key`,
        `STATEGATE_TLS_KEY_FILE: "${certFile}" holds a certificate`
      ]
    )
    run("pkcs8", "-topk8", "-in", "key.pem", "-passout", "pass:secret", "-out", "encrypted.key")
    assert.include(problem(certFile, `${folder.path}/encrypted.key`), "is encrypted, and there is no setting")
  })

  test("have to fit each other", () => {
    const stranger = folder.write("stranger.key", pem.strangerKey)
    assert.include(problem(certFile, stranger), `"${stranger}" does not fit the certificate "${certFile}"`)
    const chain = folder.write("chain.pem", pem.ca + pem.cert)
    assert.include(problem(chain, keyFile), `belongs to certificate 2 of "${chain}", which must come first`)
    const both = [...refused(files(certFile, stranger, "/nowhere.pem"))].sort()
    assert.deepStrictEqual(
      both.map((error) => error.split(":")[0]),
      ["STATEGATE_TLS_CLIENT_CA_FILE", "STATEGATE_TLS_KEY_FILE"]
    )
  })

  test("are refused when the library of TLS does not take them", () => {
    run("req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak", "-keyout", "weak.key", "-out", "weak.pem")
    const told = problem(`${folder.path}/weak.pem`, `${folder.path}/weak.key`)
    assert.include(told, "cannot be used with the key in STATEGATE_TLS_KEY_FILE: ee key too small")
  })

  test("may have expired or be of the future, which is a warning", () => {
    const dayMs = 24 * 3_600_000
    const warning = (nowMs: number) => tlsSettings(files(certFile, keyFile), nowMs).warnings.join()
    const expired = /^STATEGATE_TLS_CERT_FILE: ".*cert\.pem" expired on .*, and clients refuse it$/
    assert.match(warning(Date.now() + 2 * dayMs), expired)
    assert.match(warning(Date.now() - dayMs), /^STATEGATE_TLS_CERT_FILE: ".*cert\.pem" is not valid until /)
    assert.strictEqual(warning(Date.now()), "")
  })

  test("are not their content, which no message repeats", () => {
    const der = pem.key.replace(/-----.*-----|\n/g, "")
    for (const content of [pem.key, der]) {
      const told = problem(certFile, content)
      assert.include(told, "this is the content of a file instead of its path")
      assert.notInclude(told, der.slice(20, 40))
    }
  })

  test("are told together with everything else", () => {
    const errors = refused({ ...files("/nowhere.pem", keyFile), STATEGATE_PORT: "http", STATEGATE_DEBUG: "on" })
    assert.deepStrictEqual(errors.map((error) => error.split(":")[0]).sort(), [
      "STATEGATE_DEBUG",
      "STATEGATE_PORT",
      "STATEGATE_TLS_CERT_FILE"
    ])
  })
})
