import { type DescMessage, toJson } from "@bufbuild/protobuf"
import type { Event } from "../../../domain/event.ts"
import type { JsonObject } from "../../../domain/json.ts"
import { CallFailed, type LiveStream } from "../call/gate.ts"
import { streamMessage } from "../call/messages.ts"
import type { StreamItem } from "../call/pipeline.ts"
import { canceled, internal } from "../call/status.ts"
import { type Framing, lineOf } from "./framing.ts"

const encoder = new TextEncoder()

/** What was last written of an event. Streams that cover the same write the same, down to the cursor. */
const shared = new WeakMap<Event, { readonly cursor: string; readonly framing: Framing; readonly bytes: Uint8Array }>()

const textOf = (desc: DescMessage, item: StreamItem, framing: Framing): string => {
  const json = lineOf(toJson(desc, streamMessage(item)) as JsonObject)
  return item.event === undefined ? framing.progress(item.cursor, json) : framing.item(item.cursor, json)
}

const sharedBytes = (desc: DescMessage, item: StreamItem, event: Event, framing: Framing): Uint8Array => {
  const known = shared.get(event)
  if (known?.cursor === item.cursor && known.framing === framing) return known.bytes
  const bytes = encoder.encode(textOf(desc, item, framing))
  shared.set(event, { cursor: item.cursor, framing, bytes })
  return bytes
}

const bytesOf = (desc: DescMessage, batch: ReadonlyArray<StreamItem>, framing: Framing): Uint8Array => {
  const [only] = batch
  // Not what one stream reads of the log: a weak map that gets 100,000 events a second stops the collector for 90 ms.
  if (only?.event !== undefined && only.isShared && batch.length === 1) {
    return sharedBytes(desc, only, only.event, framing)
  }
  return encoder.encode(batch.map((item) => textOf(desc, item, framing)).join(""))
}

/**
 * A stream as a body that is read at the pace of its reader: what was read at once waits, and no more. `leave` must end the
 * call that the stream belongs to, since an iterator cannot be closed while it waits for its next item.
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
          controller.enqueue(bytesOf(desc, batch, framing))
        } catch (error) {
          const status = error instanceof CallFailed ? error.status : internal
          // A client that has gone gets no last word.
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
