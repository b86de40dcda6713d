// The names the gateway answers to. The README's table is compared with this one.

export interface Variable {
  readonly name: string
  /** As it would be written in the environment; undefined: there is none. */
  readonly default: string | undefined
  readonly meaning: string
}

export const defaultStorage = { name: "sqlite", path: "./data/stategate.db" } as const
export const defaultChannel = { name: "inmem" } as const

const table = {
  STATEGATE_PORT: ["8080", "The one port for gRPC, Connect, gRPC-web, REST and SSE. 0 takes any free port."],
  STATEGATE_HOST: ["0.0.0.0", "The address to listen on. `npm run dev` uses 127.0.0.1."],
  STATEGATE_METRICS_PORT: [
    "8081",
    "The port for operators: metrics, health and profiles. Unless set, the one after STATEGATE_PORT."
  ],
  STATEGATE_METRICS_HOST: ["127.0.0.1", "The address of the port for operators, which asks nobody for a token."],
  STATEGATE_DEBUG: [
    "false",
    "`true` logs at level debug, unless STATEGATE_LOG_LEVEL says otherwise, and serves profiles to this machine."
  ],
  STATEGATE_LOG_LEVEL: ["info", "fatal, error, warn, info, debug, trace or silent."],
  STATEGATE_AUTH_DISABLED: [
    "false",
    "`true` lets in every caller, without a token. Without it, one of the next three says which tokens are believed."
  ],
  STATEGATE_JWKS_URI: [undefined, "Address of the key set (JWKS) that tokens are verified with."],
  STATEGATE_JWKS_FILE: [undefined, "File with such a key set; it is read again when it changes."],
  STATEGATE_OIDC_ISSUER: [
    undefined,
    "Issuers of OpenID Connect, separated by commas: their keys are discovered, and the `iss` of a token picks."
  ],
  STATEGATE_JWT_ISSUER: [
    undefined,
    "Issuers that are believed, separated by commas: the `iss` of a token is one of them."
  ],
  STATEGATE_JWT_AUDIENCE: [
    undefined,
    "Audiences that tokens may be for, separated by commas: the `aud` of a token has one of them."
  ],
  STATEGATE_JWT_SCOPES: [
    undefined,
    "Scopes that a token needs, separated by spaces: its `scope` or `scp` has them all."
  ],
  STATEGATE_JWT_LEEWAY: [
    "30s",
    "By how much the clocks of issuer and gateway may differ, for `exp` and `nbf`; 5m at most. Streams end without it."
  ],
  STATEGATE_JWKS_MAX_AGE: ["24h", "For how long the last good keys serve while no others can be fetched."],
  STATEGATE_AUTH_OPTIONAL: [
    "false",
    "`true` leaves it to the policy what callers without a token may do. A bad token is refused all the same."
  ],
  STATEGATE_EVENT_CLAIMS: [
    undefined,
    "Claims that go into events, separated by commas. Unless set, all; they stay as long as the log."
  ],
  STATEGATE_REQUEST_POLICY: [
    undefined,
    "The policy that decides on requests: Rego, a Wasm module or an OPA bundle, in Base64. With `_FILE` behind the name: its file, read again when it changes."
  ],
  STATEGATE_REQUEST_POLICY_FILE: [undefined, "File with that policy."],
  STATEGATE_RESPONSE_POLICY: [
    undefined,
    "The policy that decides on what is sent: each item of a search and each event of a stream by itself. Unless set, everything is."
  ],
  STATEGATE_RESPONSE_POLICY_FILE: [undefined, "File with that policy."],
  STATEGATE_POLICY_DATA: [undefined, "A JSON object: what policies see as `data`."],
  STATEGATE_POLICY_DATA_FILE: [undefined, "File with that object; it is read again when it changes."],
  STATEGATE_REGO_VERSION: [
    undefined,
    "`v0` or `v1`. Unless set, policies are read as v1, and if that fails as v0; the log says which."
  ],
  STATEGATE_POLICY_BUDGET: ["50ms", "For how long a policy may decide; one that takes longer is stopped, and denies."],
  STATEGATE_POLICY_CACHE: ["./data/policies", "Folder that keeps compiled policies, for a quicker start."],
  STATEGATE_DECISION_LOG: [
    "denied",
    "Decisions that are logged: `none`, `denied` (requests that were denied, and policies that failed) or `all`."
  ],
  STATEGATE_POLICY_DISABLED: [
    "false",
    "`true` lets every caller with a good token do everything. Without it and without a request policy, all are denied."
  ],
  STATEGATE_PUBLIC_DOCS: [
    undefined,
    "`true` shows the API to callers without a token: gRPC reflection, `/docs` and `/openapi.json`. Unless set, `true` " +
      "where authentication is off."
  ],
  STATEGATE_TLS_CERT_FILE: [
    undefined,
    "PEM file with the certificate chain. With STATEGATE_TLS_KEY_FILE it turns on TLS."
  ],
  STATEGATE_TLS_KEY_FILE: [undefined, "PEM file with the private key of the certificate."],
  STATEGATE_TLS_CLIENT_CA_FILE: [
    undefined,
    "PEM file with the authorities whose client certificates are required (mTLS)."
  ],
  STATEGATE_CORS_ORIGINS: [undefined, "Origins whose pages may call the gateway, separated by commas, or `*` for any."],
  STATEGATE_HTTP2: [
    "own",
    "Whose HTTP/2: `own`, or `node` for that of Node, which is slower: for the day of a vulnerability in ours."
  ],
  STATEGATE_SHUTDOWN_GRACE: [
    "20s",
    "How long calls under way may take to end after SIGTERM, such as 500ms, 20s or 1m."
  ],
  STATEGATE_STORAGE_PROVIDER: [
    JSON.stringify(defaultStorage),
    "JSON. `sqlite` with its `path`, `postgres` with its `addr`, `mongo` with its `addr` and `database`, `cassandra` with its `addr` and `keyspace`, or `memory`, which forgets."
  ],
  STATEGATE_CHANNEL_PROVIDER: [JSON.stringify(defaultChannel), "JSON. `inmem`."]
} as const satisfies Record<string, readonly [value: string | undefined, meaning: string]>

export type VariableName = keyof typeof table

export const variables: ReadonlyArray<Variable> = Object.entries(table).map(([name, [value, meaning]]) => ({
  name,
  default: value,
  meaning
}))

/** A prefix that everything of ours has, and nothing else should. */
export const isOurs = (name: string): boolean => name.startsWith("STATEGATE_")

/** The known name that was cut short, else the one that takes the fewest edits. */
export const nearestName = (name: string): string =>
  variables.find((variable) => variable.name.startsWith(name))?.name ??
  variables
    .map((variable) => ({ name: variable.name, edits: editDistance(name, variable.name) }))
    .reduce((best, next) => (next.edits < best.edits ? next : best)).name

/** Characters to insert, remove or replace to make `b` of `a`. */
const editDistance = (a: string, b: string): number => {
  let row = Array.from({ length: b.length + 1 }, (_, j) => j)
  for (let i = 1; i <= a.length; i++) {
    const next = [i]
    for (let j = 1; j <= b.length; j++) {
      const replaced = row[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      next.push(Math.min(replaced, row[j]! + 1, next[j - 1]! + 1))
    }
    row = next
  }
  return row[b.length]!
}

/**
 * Kubernetes puts variables for every Service into every container of the namespace. For one called stategate, or
 * stategate-something, they carry our prefix: STATEGATE_SERVICE_HOST, STATEGATE_PORT_8080_TCP_ADDR and so on.
 */
export const isFromKubernetes = (name: string, value: string): boolean =>
  isServiceAddress(value) || serviceName.test(name)

/** What Kubernetes writes into <SERVICE>_PORT, and no setting of ours looks like. */
export const isServiceAddress = (value: string): boolean => /^(tcp|udp|sctp):\/\//.test(value)

const serviceName = /^STATEGATE_(\w+_)?(SERVICE_(HOST|PORT(_\w+)?)|PORT_\d+_(TCP|UDP|SCTP)(_(PROTO|PORT|ADDR))?)$/
