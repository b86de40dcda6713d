import { assert, describe, it, test } from "@effect/vitest"
import { Effect } from "effect"
import type { Field } from "../fields.ts"
import { HpackDecoder } from "../hpack-decoder.ts"
import { bytesAtMost, HpackEncoder } from "../hpack-encoder.ts"
import { call, frame, get, preface, session } from "./clients.ts"
import { answers, peer } from "./peer.ts"
import { serve } from "./server.ts"

const hex = (text: string) => Buffer.from(text.replaceAll(" ", ""), "hex")

const decoded = (decoder: HpackDecoder, block: Buffer): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  decoder.decode(block, 1_000_000, (name, value) => fields.push([name, value]))
  return fields
}

const encoded = (encoder: HpackEncoder, fields: ReadonlyArray<Field>): Buffer => {
  const room = Buffer.alloc(bytesAtMost(fields))
  return room.subarray(0, encoder.encode(fields, room, 0))
}

/** The fields of the dynamic table, newest first, by the indices that name them. */
const tableOf = (decoder: HpackDecoder): ReadonlyArray<Field> => {
  const fields: Array<Field> = []
  for (let index = 62; ; index++) {
    try {
      fields.push(...decoded(decoder, Buffer.from([0x80 | index])))
    } catch {
      return fields
    }
  }
}

const first = ["www.example.com"].map((host): Field => [":authority", host])[0]!
const request: ReadonlyArray<Field> = [[":method", "GET"], [":scheme", "http"], [":path", "/"], first]
const requests: ReadonlyArray<ReadonlyArray<Field>> = [
  request,
  [...request, ["cache-control", "no-cache"]],
  [[":method", "GET"], [":scheme", "https"], [":path", "/index.html"], first, ["custom-key", "custom-value"]]
]
const requestTable: ReadonlyArray<Field> = [["custom-key", "custom-value"], ["cache-control", "no-cache"], first]

const dates = ["Mon, 21 Oct 2013 20:13:21 GMT", "Mon, 21 Oct 2013 20:13:22 GMT"] as const
const location: Field = ["location", "https://www.example.com"]
const privately: Field = ["cache-control", "private"]
const cookie: Field = ["set-cookie", "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1"]
const responses: ReadonlyArray<ReadonlyArray<Field>> = [
  [[":status", "302"], privately, ["date", dates[0]], location],
  [[":status", "307"], privately, ["date", dates[0]], location],
  [[":status", "200"], privately, ["date", dates[1]], location, ["content-encoding", "gzip"], cookie]
]
/** The table after each response: what does not fit into 256 bytes is evicted. */
const responseTables: ReadonlyArray<ReadonlyArray<Field>> = [
  [location, ["date", dates[0]], privately, [":status", "302"]],
  [[":status", "307"], location, ["date", dates[0]], privately],
  [cookie, ["content-encoding", "gzip"], ["date", dates[1]]]
]

const vectors = {
  "C.3: requests without Huffman code": {
    blocks: [
      "8286 8441 0f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "8286 84be 5808 6e6f 2d63 6163 6865",
      "8287 85bf 400a 6375 7374 6f6d 2d6b 6579 0c63 7573 746f 6d2d 7661 6c75 65"
    ],
    lists: requests
  },
  "C.4: requests with Huffman code": {
    blocks: [
      "8286 8441 8cf1 e3c2 e5f2 3a6b a0ab 90f4 ff",
      "8286 84be 5886 a8eb 1064 9cbf",
      "8287 85bf 4088 25a8 49e9 5ba9 7d7f 8925 a849 e95b b8e8 b4bf"
    ],
    lists: requests
  },
  "C.5: responses without Huffman code": {
    blocks: [
      "4803 3330 3258 0770 7269 7661 7465 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3120 474d" +
        "546e 1768 7474 7073 3a2f 2f77 7777 2e65 7861 6d70 6c65 2e63 6f6d",
      "4803 3330 37c1 c0bf",
      "88c1 611d 4d6f 6e2c 2032 3120 4f63 7420 3230 3133 2032 303a 3133 3a32 3220 474d 54c0 5a04 677a 6970 7738 666f" +
        "6f3d 4153 444a 4b48 514b 425a 584f 5157 454f 5049 5541 5851 5745 4f49 553b 206d 6178 2d61 6765 3d33 3630 303b" +
        "2076 6572 7369 6f6e 3d31"
    ],
    lists: responses
  },
  "C.6: responses with Huffman code": {
    blocks: [
      "4882 6402 5885 aec3 771a 4b61 96d0 7abe 9410 54d4 44a8 2005 9504 0b81 66e0 82a6 2d1b ff6e 919d 29ad 1718 63c7" +
        "8f0b 97c8 e9ae 82ae 43d3",
      "4883 640e ffc1 c0bf",
      "88c1 6196 d07a be94 1054 d444 a820 0595 040b 8166 e084 a62d 1bff c05a 839b d9ab 77ad 94e7 821d d7f2 e6c7 b335" +
        "dfdf cd5b 3960 d5af 2708 7f36 72c1 ab27 0fb5 291f 9587 3160 65c0 03ed 4ee5 b106 3d50 07"
    ],
    lists: responses
  }
} as const

/** A size update to the 256 bytes that the examples of responses are made with (RFC 7541, 6.3). */
const to256 = hex("3fe1 01")

describe("decoding the examples of RFC 7541, appendix C", () => {
  test("C.1: integers", () => {
    // 10 and 1337 in a prefix of 5 bits, which size updates have.
    assert.deepStrictEqual(decoded(new HpackDecoder(), hex("2a 82")), [[":method", "GET"]])
    assert.deepStrictEqual(decoded(new HpackDecoder(), hex("3f9a 0a 82")), [[":method", "GET"]])
    const long = Buffer.concat([hex("0001 61 7fba 09"), Buffer.alloc(1_337, "b")])
    assert.deepStrictEqual(decoded(new HpackDecoder(), long), [["a", "b".repeat(1_337)]])
  })

  test("C.2: each representation, and whether it enters the table", () => {
    const examples: ReadonlyArray<readonly [block: string, field: Field, isIndexed: boolean]> = [
      ["400a 6375 7374 6f6d 2d6b 6579 0d63 7573 746f 6d2d 6865 6164 6572", ["custom-key", "custom-header"], true],
      ["040c 2f73 616d 706c 652f 7061 7468", [":path", "/sample/path"], false],
      ["1008 7061 7373 776f 7264 0673 6563 7265 74", ["password", "secret"], false],
      ["82", [":method", "GET"], false]
    ]
    for (const [block, field, isIndexed] of examples) {
      const decoder = new HpackDecoder()
      assert.deepStrictEqual(decoded(decoder, hex(block)), [field])
      assert.deepStrictEqual(tableOf(decoder), isIndexed ? [field] : [])
    }
  })

  for (const [what, { blocks, lists }] of Object.entries(vectors)) {
    test(what, () => {
      const decoder = new HpackDecoder()
      if (lists === responses) decoded(decoder, to256)
      for (const [i, block] of blocks.entries()) {
        assert.deepStrictEqual(decoded(decoder, hex(block)), lists[i])
        if (lists === responses) assert.deepStrictEqual(tableOf(decoder), responseTables[i])
      }
      if (lists === requests) assert.deepStrictEqual(tableOf(decoder), requestTable)
    })
  }

  test("a table that shrinks evicts its oldest fields, and one that is too small for a field is emptied (4.3, 4.4)", () => {
    const decoder = new HpackDecoder()
    for (const block of vectors["C.3: requests without Huffman code"].blocks) decoded(decoder, hex(block))
    // 107 bytes: the newest field, of 54 bytes, and the one before it, of 53.
    decoded(decoder, hex("3f4c"))
    assert.deepStrictEqual(tableOf(decoder), requestTable.slice(0, 2))
    decoded(decoder, hex("3f4b"))
    assert.deepStrictEqual(tableOf(decoder), requestTable.slice(0, 1))
    decoded(decoder, Buffer.concat([hex("4001 61 7f01"), Buffer.alloc(128, "b")]))
    assert.deepStrictEqual(tableOf(decoder), [])
  })
})

describe("encoding", () => {
  const answer: ReadonlyArray<Field> = [
    [":status", "200"],
    ["content-type", "application/grpc+proto"],
    ["grpc-status", "0"]
  ]

  test("the lists of RFC 7541, appendix C, gives blocks that mean the same", () => {
    const encoder = new HpackEncoder()
    const decoder = new HpackDecoder()
    for (const list of [...requests, ...responses, ...requests, ...responses]) {
      assert.deepStrictEqual(decoded(decoder, encoded(encoder, list)), list)
    }
  })

  test("a field again uses the table (6.1)", () => {
    const encoder = new HpackEncoder()
    const decoder = new HpackDecoder()
    decoded(decoder, encoded(encoder, answer))
    assert.strictEqual(tableOf(decoder).length, 2)
    assert.strictEqual(encoded(encoder, answer).length, 3)
  })

  for (const granted of [0, 1, 100, 4_095]) {
    test(`for a peer whose table shrinks to ${granted} bytes says so first, and needs no more of it (4.2, 6.3)`, () => {
      const encoder = new HpackEncoder()
      const decoder = new HpackDecoder()
      decoded(decoder, encoded(encoder, answer))
      encoder.limit(granted)
      const block = encoded(encoder, answer)
      assert.strictEqual(block[0]! & 0xe0, 0x20, "a size update comes first")
      assert.isAtMost(block[0]! & 0x1f, granted)
      assert.deepStrictEqual(decoded(decoder, block), answer)
      assert.deepStrictEqual(tableOf(decoder), [])
      // Once is enough, and a table that grows again may stay as it is.
      encoder.limit(4_096)
      const next = encoded(encoder, answer)
      assert.notStrictEqual(next[0]! & 0xe0, 0x20)
      assert.deepStrictEqual(decoded(decoder, next), answer)
    })
  }

  test("for a peer whose table shrinks and grows between two blocks tells of the smallest size (4.2)", () => {
    const encoder = new HpackEncoder()
    encoded(encoder, answer)
    encoder.limit(10)
    encoder.limit(4_096)
    const block = encoded(encoder, answer)
    assert.strictEqual(block[0], 0x20)
    assert.deepStrictEqual(decoded(new HpackDecoder(), block), answer)
  })
})

describe("a peer with a small table", () => {
  it.live("reads every answer, when it is somebody else's implementation", () =>
    Effect.gen(function* () {
      const { url } = yield* serve((_, response) => {
        response.setHeader("content-type", "application/json").end("{}")
      })
      for (const headerTableSize of [0, 60, 64, 4_096]) {
        const over = yield* session(url, { settings: { headerTableSize } })
        for (let calls = 0; calls < 5; calls++) {
          assert.deepInclude(yield* call(over), { status: 200, body: "{}", code: 0 })
        }
      }
    })
  )

  it.live("gets a size update behind the acknowledgement of its SETTINGS, and no index of the table", () =>
    Effect.gen(function* () {
      const { port } = yield* serve((_, response) => {
        response.setHeader("content-type", "application/json").end("{}")
      })
      const client = yield* peer(port)
      client.send(preface, frame(4, 0, 0), get(1))
      yield* client.settled
      client.send(frame(4, 0, 0, Buffer.from([0, 1, 0, 0, 0, 50])), get(3), get(5))
      const frames = yield* client.settled
      const blocks = frames.filter(({ type }) => type === 1).map(({ payload }) => payload)
      assert.strictEqual(blocks[1]![0], 0x20)
      assert.strictEqual(answers(frames).size, 3)
      for (const block of blocks.slice(1)) {
        for (const byte of block.subarray(0, 3)) assert.isFalse(byte >= 0x80 + 62, "an index of the dynamic table")
      }
    })
  )
})
