// An issuer of tokens, with a real server for its keys that tests make slow, broken or rotate.

import { once } from "node:events"
import { createServer, type IncomingMessage, type ServerResponse } from "node:http"
import type { AddressInfo } from "node:net"
import { type CryptoKey, exportJWK, generateKeyPair, type JWK, type JWTHeaderParameters, SignJWT } from "jose"

/** A key pair under a name. */
export interface SigningKey {
  readonly alg: string
  readonly kid: string
  readonly privateKey: CryptoKey
  /** As the issuer publishes it. */
  readonly jwk: JWK
}

export const signingKey = async (kid: string, alg = "ES256"): Promise<SigningKey> => {
  const { publicKey, privateKey } = await generateKeyPair(alg, { extractable: true })
  return { alg, kid, privateKey, jwk: { ...(await exportJWK(publicKey)), kid, alg, use: "sig" } }
}

export const nowSeconds = (): number => Math.floor(Date.now() / 1000)

/** A token by the key. A claim or a header that is undefined is left out; else tokens are alice's, and last an hour. */
export const signed = (
  key: SigningKey,
  claims: Readonly<Record<string, unknown>> = {},
  header: Readonly<Record<string, unknown>> = {}
): Promise<string> =>
  new SignJWT(present({ sub: "alice", exp: nowSeconds() + 3600, ...claims }))
    .setProtectedHeader(present({ alg: key.alg, kid: key.kid, ...header }) as JWTHeaderParameters)
    .sign(key.privateKey)

const present = (fields: Readonly<Record<string, unknown>>): Record<string, unknown> =>
  Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined))

type Answer = (request: IncomingMessage, response: ServerResponse) => void

/** The server of an issuer. */
export class Issuer {
  /** The keys that it publishes. */
  keys: ReadonlyArray<JWK>
  /** What goes along with the keys, such as `cache-control`. */
  headers: Readonly<Record<string, string>> = {}
  /** How it answers instead, if that is set. */
  answer: Answer | undefined
  /** How often its keys were asked for. */
  asked = 0
  readonly #server = createServer((request, response) => this.#serve(request, response))
  #waiting: Array<{ readonly times: number; readonly resolve: () => void }> = []
  #port = 0

  private constructor(keys: ReadonlyArray<JWK>) {
    this.keys = keys
  }

  static async start(...keys: ReadonlyArray<SigningKey>): Promise<Issuer> {
    const issuer = new Issuer(keys.map(({ jwk }) => jwk))
    await issuer.listen()
    return issuer
  }

  /** Its own name, as `iss` and as the address of its configuration. */
  get url(): string {
    return `http://127.0.0.1:${this.#port}`
  }

  get jwksUri(): string {
    return `${this.url}/jwks`
  }

  async listen(): Promise<void> {
    this.#server.listen(this.#port, "127.0.0.1")
    await once(this.#server, "listening")
    this.#port = (this.#server.address() as AddressInfo).port
  }

  /** As a server that is down: connections are refused until it listens again. */
  async close(): Promise<void> {
    if (!this.#server.listening) return
    this.#server.close()
    this.#server.closeAllConnections()
    await once(this.#server, "close")
  }

  /** Waits until the keys were asked for so many times. */
  askedTimes(times: number): Promise<void> {
    if (this.asked >= times) return Promise.resolve()
    return new Promise((resolve) => this.#waiting.push({ times, resolve }))
  }

  #serve(request: IncomingMessage, response: ServerResponse): void {
    if (request.url === "/.well-known/openid-configuration") {
      send(response, { issuer: this.url, jwks_uri: this.jwksUri })
      return
    }
    this.asked += 1
    for (const { times, resolve } of this.#waiting) if (this.asked >= times) resolve()
    if (this.answer === undefined) send(response, { keys: this.keys }, this.headers)
    else this.answer(request, response)
  }
}

export const send = (response: ServerResponse, body: unknown, headers: Readonly<Record<string, string>> = {}): void => {
  response.writeHead(200, { "content-type": "application/json", ...headers })
  response.end(JSON.stringify(body))
}
