import { type ClientHttp2Session, constants } from "node:http2"
import { Readable } from "node:stream"

/** `fetch` over one HTTP/2 connection, as browsers have it: only what clients here use of it. */
export const fetchOver =
  (session: ClientHttp2Session): typeof fetch =>
  (input, init = {}) =>
    new Promise((resolve, reject) => {
      const { pathname, search } = new URL(String(input))
      const stream = session.request(
        { ...(init.headers as Record<string, string>), ":method": init.method ?? "GET", ":path": pathname + search },
        { endStream: false }
      )
      init.signal?.addEventListener("abort", () => stream.close(constants.NGHTTP2_CANCEL))
      stream.on("error", reject)
      stream.once("response", (head) => {
        const headers = Object.entries(head).filter(([name]) => !name.startsWith(":"))
        resolve(
          new Response(Readable.toWeb(stream) as unknown as ReadableStream<Uint8Array<ArrayBuffer>>, {
            status: Number(head[":status"]),
            headers: headers.map(([name, value]): [string, string] => [name, String(value)])
          })
        )
      })
      stream.end(init.body as string | undefined)
    })
