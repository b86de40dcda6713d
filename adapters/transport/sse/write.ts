import type { ServerResponse } from "node:http"

/**
 * Writes an answer that has no end to a response of Node's, at the pace of its reader. Node's adapter of web answers
 * would hold on to the first pieces of a body until the last is written: of each stream, for as long as it lasts.
 */
export const writeEndless = (answer: Response, to: ServerResponse): void => {
  to.writeHead(answer.status, Object.fromEntries(answer.headers))
  to.flushHeaders()
  const reader = answer.body!.getReader()
  const leave = () => void reader.cancel().catch(() => {})
  to.once("close", leave).on("error", leave)
  const next = () => void reader.read().then(write, () => to.destroy())
  // No promise waits for the next one: a chain of them would grow with the stream.
  const write = ({ done, value }: ReadableStreamReadResult<Uint8Array>) => {
    if (done) to.end()
    else if (to.write(value)) next()
    else to.once("drain", next)
  }
  if (to.destroyed) leave()
  else next()
}
