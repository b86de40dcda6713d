import { createHash, createHmac, timingSafeEqual } from "node:crypto"
import { type Builtin, stringOf } from "./builtin.ts"

const hash =
  (algorithm: string): Builtin =>
  ([text]) =>
    createHash(algorithm).update(stringOf(text)).digest("hex")

const hmac =
  (algorithm: string): Builtin =>
  ([text, key]) =>
    createHmac(algorithm, stringOf(key)).update(stringOf(text)).digest("hex")

export const hashes: Readonly<Record<string, Builtin>> = {
  "crypto.md5": hash("md5"),
  "crypto.sha1": hash("sha1"),
  "crypto.sha256": hash("sha256"),
  "crypto.hmac.md5": hmac("md5"),
  "crypto.hmac.sha1": hmac("sha1"),
  "crypto.hmac.sha256": hmac("sha256"),
  "crypto.hmac.sha512": hmac("sha512"),
  "crypto.hmac.equal": ([first, second]) => {
    const [a, b] = [Buffer.from(stringOf(first)), Buffer.from(stringOf(second))]
    return a.length === b.length && timingSafeEqual(a, b)
  }
}
