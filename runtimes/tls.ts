// The files of TLS, read once and checked at start: what the listener gets can be used.

import { createPrivateKey, type KeyObject, X509Certificate } from "node:crypto"
import { readFileSync, statSync } from "node:fs"
import { createSecureContext } from "node:tls"
import { tlsFileBytesMax } from "../application/limits.ts"

/** What is in the files, as PEM. */
export interface Tls {
  readonly cert: string
  readonly key: string
  /** Client certificates are required, and checked against these authorities. */
  readonly clientCa: string | undefined
}

type Environment = Readonly<Record<string, string | undefined>>

const cert = "STATEGATE_TLS_CERT_FILE"
const key = "STATEGATE_TLS_KEY_FILE"
const clientCa = "STATEGATE_TLS_CLIENT_CA_FILE"
const all = [cert, key, clientCa] as const
type Name = (typeof all)[number]

// Each names the other variable of the pair as well.
const wanted: Readonly<Record<Name, string>> = {
  [cert]: `It must be a PEM file with the certificate of the key in ${key}`,
  [key]: `It must be a PEM file with the private key of the certificate in ${cert}`,
  [clientCa]: `It must be a PEM file with the authorities of client certificates; those of the gateway are in ${cert}`
}

interface Checked {
  /** Undefined: no TLS is asked for. */
  readonly tls: Tls | undefined
  readonly errors: ReadonlyArray<string>
  readonly warnings: ReadonlyArray<string>
}

/** Reads the files that the environment names; answers what they hold, or everything that is wrong with them. */
export const tlsSettings = (env: Environment, nowMs = Date.now()): Checked => {
  const errors: Array<string> = []
  const given = all.filter((name) => pathIn(env, name) !== undefined)
  const read = <A>(name: Name, parse: (path: string) => A): A | undefined => {
    const path = pathIn(env, name)
    if (path === undefined) {
      if (name !== clientCa) errors.push(`${name}: must be set too, since ${given.join(" and ")} is`)
      return undefined
    }
    try {
      if (fileContent.test(path)) throw new FileProblem("this is the content of a file instead of its path")
      return parse(path)
    } catch (error) {
      if (!(error instanceof FileProblem)) throw error
      errors.push(`${name}: ${error.message}. ${wanted[name]}`)
      return undefined
    }
  }
  if (given.length === 0) return { tls: undefined, errors, warnings: [] }
  const chain = read(cert, certificatesIn)
  const privateKey = read(key, privateKeyIn)
  const authorities = read(clientCa, certificatesIn)
  if (chain === undefined || privateKey === undefined) return { tls: undefined, errors, warnings: [] }
  const tls: Tls = { cert: chain.text, key: privateKey.text, clientCa: authorities?.text }
  const unusable = mismatchOf(chain, privateKey) ?? (errors.length > 0 ? undefined : unusableReason(tls))
  if (unusable !== undefined) errors.push(unusable)
  return { tls, errors, warnings: outdated(chain, nowMs) }
}

const pathIn = (env: Environment, name: Name): string | undefined => env[name]?.trim() || undefined

// PEM, or the Base64 of DER. It is not repeated in a message: it might be a key.
const fileContent = /-----BEGIN|^M[A-Z][\w+/=\s]{80,}$/

interface Chain {
  readonly name: string
  readonly text: string
  readonly certificates: ReadonlyArray<X509Certificate>
}

interface PrivateKey {
  readonly name: string
  readonly text: string
  readonly key: KeyObject
}

/** What is wrong with a file, in words for an operator. */
class FileProblem extends Error {}

const certificatesIn = (file: string): Chain => {
  const text = textIn(file)
  const name = JSON.stringify(file)
  const blocks = text.match(/-----BEGIN ((?:X509 |TRUSTED )?CERTIFICATE)-----[\s\S]*?-----END \1-----/g)
  if (blocks === null) throw new FileProblem(`${name} holds ${isKey(text) ? "a private key" : "no PEM"}`)
  const certificates = blocks.map((block, i) => {
    try {
      return new X509Certificate(block)
    } catch {
      throw new FileProblem(`certificate ${i + 1} of ${name} cannot be decoded`)
    }
  })
  return { name, text, certificates }
}

const privateKeyIn = (file: string): PrivateKey => {
  const text = textIn(file)
  const name = JSON.stringify(file)
  if (!isKey(text)) {
    throw new FileProblem(`${name} holds ${/-----BEGIN .*CERTIFICATE-----/.test(text) ? "a certificate" : "no PEM"}`)
  }
  // Without this question OpenSSL would ask for the passphrase, or say that it was interrupted.
  if (/BEGIN ENCRYPTED|Proc-Type:.*ENCRYPTED/.test(text)) {
    throw new FileProblem(`${name} is encrypted, and there is no setting for a passphrase`)
  }
  try {
    return { name, text, key: createPrivateKey(text) }
  } catch {
    throw new FileProblem(`the private key in ${name} cannot be decoded`)
  }
}

const isKey = (text: string): boolean => /-----BEGIN .*PRIVATE KEY-----/.test(text)

const textIn = (file: string): string => {
  const name = JSON.stringify(file)
  try {
    const stats = statSync(file)
    if (stats.isDirectory()) throw new FileProblem(`${name} is a folder`)
    // A device might never end.
    if (!stats.isFile() && !stats.isFIFO()) throw new FileProblem(`${name} is not a file`)
    if (stats.size > tlsFileBytesMax) throw new FileProblem(`${name} has more than ${tlsFileBytesMax} bytes`)
    return readFileSync(file, "utf8")
  } catch (error) {
    if (error instanceof FileProblem) throw error
    const { code } = error as NodeJS.ErrnoException
    if (code === "ENOENT") throw new FileProblem(`there is no file ${name}`)
    throw new FileProblem(`${name} cannot be read${code === "EACCES" ? " by this user" : ""} (${code})`)
  }
}

const mismatchOf = (chain: Chain, privateKey: PrivateKey): string | undefined => {
  const fitting = chain.certificates.findIndex((certificate) => certificate.checkPrivateKey(privateKey.key))
  if (fitting === 0) return undefined
  return fitting === -1
    ? `${key}: ${privateKey.name} does not fit the certificate ${chain.name} in ${cert}. ${wanted[key]}`
    : `${cert}: the key in ${key} belongs to certificate ${fitting + 1} of ${chain.name}, which must come first`
}

/** What only the library of TLS knows, such as that a key is too short. */
const unusableReason = (tls: Tls): string | undefined => {
  try {
    createSecureContext({ cert: tls.cert, key: tls.key, ...(tls.clientCa === undefined ? {} : { ca: tls.clientCa }) })
    return undefined
  } catch (error) {
    const { reason, message } = error as Error & { readonly reason?: string }
    return `${cert}: it cannot be used with the key in ${key}: ${reason ?? message}`
  }
}

const outdated = ({ name, certificates }: Chain, nowMs: number): ReadonlyArray<string> => {
  const { validFrom, validTo } = certificates[0]!
  if (nowMs > Date.parse(validTo)) return [`${cert}: ${name} expired on ${validTo}, and clients refuse it`]
  if (nowMs < Date.parse(validFrom)) return [`${cert}: ${name} is not valid until ${validFrom}`]
  return []
}
