import { type DescMessage, toJson } from "@bufbuild/protobuf"
import type { Event } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { CallFailed, type LiveStream } from "../rpc/gate.ts"
import { streamMessage } from "../rpc/messages.ts"
import type { StreamItem } from "../rpc/pipeline.ts"
import { canceled, internal } from "../rpc/status.ts"
import { type Framing, lineOf } from "./framing.ts"

const encoder = new TextEncoder()

/** The JSON last made of an event. Streams that cover the same give the same JSON, down to the cursor. */
const shared = new WeakMap<Event, { readonly cursor: string; readonly json: string }>()

const jsonOf = (desc: DescMessage, item: StreamItem): string => {
  const { event, cursor } = item
  // Not of what one stream reads of the log: a weak map that gets 100,000 events a second stops the collector for 90 ms.
  const key = item.isShared ? event : undefined
  const known = key === undefined ? undefined : shared.get(key)
  if (known?.cursor === cursor) return known.json
  const json = lineOf(toJson(desc, streamMessage(item)) as JsonObject)
  if (key !== undefined) shared.set(key, { cursor, json })
  return json
}

/**
 * A stream as a body that is read at the pace of its reader: what was read at once waits, and no more. `leave` must end the call that the
 * stream belongs to, since an iterator cannot be closed while it waits for its next item.
 */
export const streamBody = (
  desc: DescMessage,
  stream: LiveStream,
  framing: Framing,
  gone: AbortSignal,
  leave: () => void
): ReadableStream<Uint8Array> => {
  const items = stream[Symbol.asyncIterator]()
  // Asked for at once: an iterator that never began would not clean up when it is closed.
  let next: Promise<IteratorResult<ReadonlyArray<StreamItem>>> | undefined = items.next()
  next.catch(() => {})
  const textOf = (item: StreamItem): string => {
    const json = jsonOf(desc, item)
    return item.event === undefined ? framing.progress(item.cursor, json) : framing.item(item.cursor, json)
  }
  let canceledByReader = false
  const close = () => {
    gone.removeEventListener("abort", close)
    leave()
    items.return?.().catch(() => {})
  }
  if (gone.aborted) close()
  else gone.addEventListener("abort", close)
  return new ReadableStream<Uint8Array>(
    {
      start: (controller) => {
        const text = framing.start(stream.headers["stategate-cursor"])
        if (text !== "") controller.enqueue(encoder.encode(text))
      },
      pull: async (controller) => {
        const tell = (text: string) => {
          if (text !== "") controller.enqueue(encoder.encode(text))
        }
        const end = () => {
          gone.removeEventListener("abort", close)
          if (!canceledByReader) controller.close()
        }
        try {
          const waiting = next ?? items.next()
          next = undefined
          const { done, value: batch } = await waiting
          if (canceledByReader) return
          if (done) return end()
          tell(batch.map(textOf).join(""))
        } catch (error) {
          const status = error instanceof CallFailed ? error.status : internal
          // Whoever has gone hears nothing any more.
          if (status.code !== canceled.code) tell(framing.failure(status))
          end()
        }
      },
      cancel: () => {
        canceledByReader = true
        close()
      }
    },
    // Nothing is fetched ahead for a reader that does not read.
    { highWaterMark: 0 }
  )
}
