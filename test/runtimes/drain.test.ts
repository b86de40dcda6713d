import { Cause, Effect, Layer, Logger } from "effect"
import { assert, test } from "vitest"
import { layer as disabled } from "../../adapters/auth/disabled/authenticator.ts"
import { Feed } from "../../application/feed/feed.ts"
import { Readiness } from "../../application/readiness.ts"
import { combineTelemetry, Telemetry } from "../../application/telemetry.ts"
import { serve } from "../../runtimes/serve.ts"
import { parseSettings } from "../../runtimes/settings.ts"
import { gatewayLayer } from "../support/gateway.ts"

test("a bug in a drain is logged and counted, and the gateway ends all the same", async () => {
  const parsed = parseSettings({
    STATEGATE_AUTH_DISABLED: "true",
    STATEGATE_HOST: "127.0.0.1",
    STATEGATE_PORT: "0",
    STATEGATE_SHUTDOWN_GRACE: "10ms"
  })
  assert(!("errors" in parsed), JSON.stringify(parsed))
  const lines: Array<string> = []
  const defects: Array<string> = []
  const heard = Layer.merge(
    Layer.succeed(Telemetry, combineTelemetry({ recordDefect: (fiber) => void defects.push(fiber) })),
    Logger.layer([
      Logger.make<unknown, void>(({ message, cause }) => void lines.push(`${message} ${Cause.pretty(cause)}`))
    ])
  )
  const feed = Feed.of({
    open: () => Effect.never,
    drain: Effect.die(new Error("a mistake of ours")),
    rewoundLately: Effect.succeed(false)
  })
  const gateway = Layer.provideMerge(Readiness.layer, Layer.merge(gatewayLayer([]), disabled))
  const served = Effect.provideService(Effect.scoped(serve(parsed.settings)), Feed, feed)
  await Effect.runPromise(Effect.provide(Effect.provide(served, gateway), heard))
  assert.deepStrictEqual(defects, ["drain"])
  assert.match(lines.join("\n"), /drain.*a mistake of ours/)
})
