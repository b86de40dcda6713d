import { frame, get, ping, reset, settings } from "../clients.ts"
import { block, getFields, indexed, postFields } from "../fields.ts"

const number = (value: number) => {
  const bytes = Buffer.alloc(4)
  bytes.writeUInt32BE(value >>> 0)
  return bytes
}
const setting = (id: number, value: number) => frame(4, 0, 0, Buffer.concat([Buffer.from([0, id]), number(value)]))
const post = (stream: number, more: Readonly<Record<string, string>> = {}) =>
  frame(1, 4, stream, block({ ...postFields, ...more }))
const data = (stream: number, text: string, flags = 1) => frame(0, flags, stream, Buffer.from(text))
const windowUpdate = (stream: number, bytes: number) => frame(8, 0, stream, number(bytes))
const request = (fields: Readonly<Record<string, string>>) => frame(1, 5, 1, block({ ...getFields, ...fields }))

/** What a client sends behind its preface and SETTINGS. */
export const cases: Readonly<Record<string, ReadonlyArray<Buffer>>> = {
  "a request": [get(1)],
  "requests side by side": [get(1), post(3), get(5), data(3, "body")],
  "a body in pieces": [post(1), data(1, "a", 0), data(1, "b", 0), data(1, "c")],
  "a body with padding": [post(1), frame(0, 9, 1, Buffer.from([2, 97, 0, 0]))],
  trailers: [post(1), data(1, "a", 0), frame(1, 5, 1, block({ x: "y" }))],
  "trailers that end nothing": [post(1), data(1, "a", 0), frame(1, 4, 1, block({ x: "y" }))],
  "trailers with a pseudo-header field": [post(1), data(1, "a", 0), frame(1, 5, 1, block({ ":path": "/" }))],
  "a block in two frames": [
    frame(1, 1, 1, block(getFields).subarray(0, 9)),
    frame(9, 4, 1, block(getFields).subarray(9))
  ],
  "a frame within a block": [frame(1, 1, 1, block(getFields)), ping],
  "a block of another stream within a block": [frame(1, 1, 1, block(getFields)), frame(9, 4, 3, Buffer.alloc(0))],
  "a CONTINUATION of nothing": [frame(9, 4, 1, block(getFields))],
  "fields from the table": [frame(1, 5, 1, indexed(getFields)), frame(1, 5, 3, Buffer.from([0xc1, 0xc0, 0xbf, 0xbe]))],
  "an index of nothing": [frame(1, 5, 1, Buffer.from([0x80]))],
  "a table that is too large": [frame(1, 5, 1, Buffer.concat([Buffer.from([0x3f, 0xe2, 0x1f]), block(getFields)]))],
  "an even stream": [get(2)],
  "a stream that was skipped": [get(5), get(3)],
  "stream 0": [get(0)],
  "HEADERS on a stream that is over": [get(1), get(1)],
  "DATA on a stream that is idle": [data(1, "a")],
  "DATA on stream 0": [data(0, "a")],
  "DATA on a stream that was reset": [post(1), reset(1), data(1, "a"), get(3)],
  "a reset": [post(1), reset(1), get(3)],
  "a reset of an idle stream": [reset(1)],
  "a reset of stream 0": [reset(0)],
  "a reset that is cut short": [post(1), frame(3, 0, 1, Buffer.alloc(3))],
  "a PING that is cut short": [frame(6, 0, 0, Buffer.alloc(7))],
  "a PING on a stream": [frame(6, 0, 1, Buffer.alloc(8))],
  "SETTINGS that are cut short": [frame(4, 0, 0, Buffer.alloc(5))],
  "SETTINGS on a stream": [frame(4, 0, 1, Buffer.alloc(6))],
  "an acknowledgement with a setting": [frame(4, 1, 0, Buffer.alloc(6))],
  "ENABLE_PUSH of 2": [setting(2, 2)],
  "a window beyond all bounds, as a setting": [setting(4, 2 ** 31)],
  "a frame size that is too small": [setting(5, 16_383)],
  "an unknown setting": [setting(99, 1), get(1)],
  "a window of nothing for a stream": [post(1), windowUpdate(1, 0), get(3)],
  "a window of nothing for the connection": [windowUpdate(0, 0)],
  "a window beyond all bounds for the connection": [windowUpdate(0, 2 ** 31 - 1)],
  "a window for an idle stream": [windowUpdate(1, 1)],
  "a window that is cut short": [frame(8, 0, 0, Buffer.alloc(3))],
  "a push": [frame(5, 4, 1, Buffer.concat([number(2), block(getFields)]))],
  "an unknown frame": [frame(0xbb, 0xff, 1, Buffer.from("abc")), get(1)],
  "a frame that is too large": [post(1), frame(0, 1, 1, Buffer.alloc(16_385))],
  "padding longer than its frame": [post(1), frame(0, 9, 1, Buffer.from([9, 0]))],
  "a priority on itself": [frame(1, 0x25, 1, Buffer.concat([number(1), Buffer.from([0]), block(getFields)])), get(3)],
  "a PRIORITY that is cut short": [frame(2, 0, 1, Buffer.alloc(4)), get(3)],
  "a farewell of the client": [frame(7, 0, 0, Buffer.alloc(8)), get(1)],
  "SETTINGS again": [settings, get(1), settings],
  "an upper-case name": [request({ "X-a": "b" }), get(3)],
  "a connection field": [request({ connection: "close" }), get(3)],
  "te with gzip": [request({ te: "gzip, chunked" }), get(3)],
  "transfer-encoding": [request({ "transfer-encoding": "chunked" }), get(3)],
  "a line break in a value": [request({ x: "a\r\nb: c" }), get(3)],
  "an unknown pseudo-header field": [request({ ":x": "y" }), get(3)],
  "no path": [frame(1, 5, 1, block({ ":method": "GET", ":scheme": "http", ":authority": "a" })), get(3)],
  "an empty path": [request({ ":path": "" }), get(3)],
  "a path that is a URL": [request({ ":path": "http://b/" }), get(3)],
  "an authority with a user": [request({ ":authority": "user@a" }), get(3)],
  "a host that is not the authority": [request({ host: "elsewhere" }), get(3)],
  "a length longer than the body": [post(1, { "content-length": "9" }), data(1, "a"), get(3)],
  "a length shorter than the body": [post(1, { "content-length": "1" }), data(1, "abc"), get(3)]
}
