import { Effect, Layer } from "effect"
import { Gate } from "../adapters/transport/call/gate.ts"
import { Pipeline } from "../adapters/transport/call/pipeline.ts"
import { Access } from "../application/access.ts"
import { Committer } from "../application/committer.ts"
import { Entities } from "../application/entities.ts"
import type { Unavailable } from "../application/failure.ts"
import { Feed } from "../application/feed/feed.ts"
import { History } from "../application/history.ts"
import type { Authenticator } from "../application/ports/Authenticator.ts"
import type { Channel } from "../application/ports/Channel.ts"
import type { EventStore, Opening } from "../application/ports/EventStore.ts"
import type { Policy } from "../application/ports/Policy.ts"
import type { Projection } from "../application/ports/Projection.ts"
import { Readiness } from "../application/readiness.ts"
import type { AuthSettings } from "./auth.ts"
import type { ChannelProvider, Settings, StorageProvider } from "./settings.ts"

// Only what the settings name is loaded: a process must not carry nine drivers to use two. The paths are literal, so
// that a bundler finds them all.

const storage = {
  memory: async ({ opening }) =>
    opening === "create"
      ? (await import("../adapters/storage/memory/store.ts")).layer
      : Layer.effectContext(Effect.fail(new Error("the memory store holds nothing"))),
  sqlite: async (settings) => (await import("../adapters/storage/sqlite/store.ts")).layer(settings),
  postgres: async (settings) => (await import("../adapters/storage/postgres/store.ts")).layer(settings),
  mongo: async (settings) => (await import("../adapters/storage/mongo/store.ts")).layer(settings),
  cassandra: async (settings) => (await import("../adapters/storage/cassandra/store.ts")).layer(settings)
} satisfies Providers<Opened<StorageProvider>, EventStore | Projection>

type Opened<P> = P & { readonly opening: Opening }

const channel = {
  inmem: async () => (await import("../adapters/channel/inmem/channel.ts")).layer
} satisfies Providers<ChannelProvider, Channel>

const authenticator = async (settings: AuthSettings | undefined): Promise<Layer.Layer<Authenticator, Error>> =>
  settings === undefined
    ? (await import("../adapters/auth/disabled/authenticator.ts")).layer
    : (await import("../adapters/auth/jwt/layer.ts")).layer(settings)

// Without a word about what callers may do, those who are known may do nothing.
const policy = async ({ authDisabled, policyDisabled, rego }: Settings): Promise<Layer.Layer<Policy, Error>> => {
  if (rego !== undefined) return (await import("../adapters/policy/rego/policy.ts")).layer(rego)
  return authDisabled || policyDisabled
    ? (await import("../adapters/policy/allow-all/policy.ts")).layer
    : (await import("../adapters/policy/deny-all/policy.ts")).layer
}

type Providers<P extends { readonly name: string }, Port> = {
  readonly [Name in P["name"]]: (settings: Extract<P, { name: Name }>) => Promise<Layer.Layer<Port, Error>>
}

const chosen = <P extends { readonly name: string }, Port>(
  providers: Providers<P, Port>,
  settings: P
): Layer.Layer<Port, Error> => {
  const load = providers[settings.name as P["name"]] as (settings: P) => Promise<Layer.Layer<Port, Error>>
  return Layer.unwrap(Effect.promise(() => load(settings)))
}

/** A store, as settings name it. */
export const storageOf = (
  settings: StorageProvider,
  opening: Opening = "create"
): Layer.Layer<EventStore | Projection, Error> =>
  chosen<Opened<StorageProvider>, EventStore | Projection>(storage, { ...settings, opening })

/** The application over any adapters. */
export const application: Layer.Layer<
  Gate | Feed | Readiness,
  Unavailable,
  EventStore | Channel | Authenticator | Policy
> = Gate.layer.pipe(
  Layer.provide(Pipeline.layer),
  Layer.provide([Access.layer, Entities.layer, History.layer]),
  Layer.provideMerge(Readiness.layer),
  Layer.provideMerge(Feed.layer),
  Layer.provide(Committer.layer)
)

/** The application over the adapters that the settings name. */
export const compose = (settings: Settings): Layer.Layer<Gate | Feed | Readiness, Error> =>
  application.pipe(
    Layer.provide(chosen<ChannelProvider, Channel>(channel, settings.channel)),
    Layer.provide(storageOf(settings.storage)),
    Layer.provide(Layer.unwrap(Effect.promise(() => authenticator(settings.auth)))),
    Layer.provide(Layer.unwrap(Effect.promise(() => policy(settings))))
  )
