import { spawn } from "node:child_process"
import { existsSync, readFileSync } from "node:fs"
import { text } from "node:stream/consumers"
import { getOption } from "@bufbuild/protobuf"
import { afterAll, assert, beforeAll, test } from "vitest"
import { http } from "../../proto/gen/google/api/annotations_pb.js"
import { EntityService, EventService } from "../../proto/gen/stategate/stategate_pb.js"
import { variables } from "../../runtimes/settings.ts"
import { need, program } from "../support/need.ts"
import { type GatewayProcess, startGateway, temporaryFolder } from "../support/process.ts"

// The README is run, not believed: the tour is pasted into a shell, and the tables are compared with the code.

const readme = readFileSync(new URL("../../README.md", import.meta.url), "utf8")
const root = new URL("../..", import.meta.url).pathname
const section = (title: string): string => {
  const [, rest = ""] = readme.split(`\n## ${title}\n`)
  return rest.split("\n## ")[0]!
}

const folder = temporaryFolder()
let gateway: GatewayProcess
beforeAll(async () => {
  const provider = JSON.stringify({ name: "sqlite", path: `${folder.path}/stategate.db` })
  gateway = await startGateway({ STATEGATE_STORAGE_PROVIDER: provider })
})
afterAll(async () => {
  await gateway.stop()
  folder.remove()
})

const tools = need("curl, go and grpcurl", {
  enable: "apt-get install curl golang && go install github.com/fullstorydev/grpcurl/cmd/grpcurl@v1.9.4",
  found: program("curl") && program("grpcurl") && program("go")
})

const blocksOf = (title: string): ReadonlyArray<string> =>
  [...section(title).matchAll(/```sh\n([\s\S]*?)```/g)].map(([, block]) => block!)

/** Pastes blocks into a shell, and fails unless each prints the lines that it promises, in their order. */
const paste = async (blocks: ReadonlyArray<string>, at: GatewayProcess) => {
  const port = new URL(at.url).port
  const script = blocks
    .map((block, i) => `echo; echo "@@ ${i}"\n${block.replace(/^go install.*$/m, "")}`)
    .join("\n")
    .replaceAll("localhost:8080", `localhost:${port}`)
    // The tour is pasted into a checkout; what it leaves behind does not belong into this one.
    .replaceAll("stream.txt", `${folder.path}/stream.txt`)
    .replaceAll("npm start --silent -- token", `npm start --silent -- token --folder ${folder.path}/keys`)
    .replaceAll(
      "npm start --silent -- keys generate",
      `npm start --silent -- keys generate --folder ${folder.path}/keys`
    )
  const shell = spawn("bash", ["-c", script], { cwd: root, stdio: ["ignore", "pipe", "pipe"] })
  const [output, errors] = await Promise.all([text(shell.stdout), text(shell.stderr)])
  const outputs = output.split(/^@@ \d+$/m).slice(1)
  assert.strictEqual(outputs.length, blocks.length)
  for (const [i, block] of blocks.entries()) {
    let rest = outputs[i]!
    for (const [, expected] of block.matchAll(/^#> (.*)$/gm)) {
      const at = rest.indexOf(expected!)
      assert.isAtLeast(at, 0, `"${expected}" is missing in what this prints:\n${block}\n${outputs[i]}\n${errors}`)
      rest = rest.slice(at + expected!.length)
    }
  }
}

test("the tour works when it is pasted", tools.options, async () => {
  const blocks = blocksOf("Tour")
  assert.isAtLeast(blocks.length, 9)
  await paste(blocks, gateway)
})

test("so do keys and tokens of one's own", tools.options, async () => {
  const [keys, calls] = blocksOf("Who calls")
  const lines = keys!.split("\n")
  // The gateway is started by the test, with what the block exports, where that can be stopped again.
  await paste([lines.filter((line) => !/^export|^npm start$/.test(line)).join("\n")], gateway)
  const exported = Object.fromEntries(
    [...keys!.matchAll(/(STATEGATE_\w+)=(\S+)/g)].map(([, name, value]) => [name!, value!])
  )
  const protectedGateway = await startGateway({
    ...exported,
    STATEGATE_AUTH_DISABLED: "",
    STATEGATE_JWKS_FILE: `${folder.path}/keys/jwks.json`
  })
  await paste([calls!], protectedGateway)
  await protectedGateway.stop()
})

const rowsOf = (part: string): ReadonlyArray<ReadonlyArray<string>> =>
  part
    .split("\n")
    .filter((line) => line.startsWith("| "))
    .map((line) =>
      line
        .split("|")
        .slice(1, -1)
        .map((cell) => cell.trim())
    )

test("the settings table is the one that the gateway reads", () => {
  const rows = rowsOf(section("Settings")).slice(1)
  const expected = variables.map(({ name, default: value, meaning }) => [
    `\`${name}\``,
    value === undefined ? "" : `\`${value}\``,
    meaning
  ])
  assert.deepStrictEqual(rows, expected)
})

test("the API table has every call, under its route", () => {
  const routes = [EntityService, EventService].flatMap(({ methods }) =>
    methods.map((method) => {
      const { pattern } = getOption(method, http)
      return [method.name, `\`${pattern.case?.toUpperCase()} ${pattern.value}\``]
    })
  )
  const rows = rowsOf(section("The API"))
    .filter(([, route]) => route?.includes("/api/"))
    .map(([name, route]) => [name, route])
  assert.sameDeepMembers(rows, routes)
})

test("every file that the documents link to is there", () => {
  for (const file of ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md"]) {
    const document = readFileSync(`${root}${file}`, "utf8")
    for (const [, link] of document.matchAll(/\]\(([^)#]+?)(?:#[^)]*)?\)/g)) {
      if (link!.startsWith("http")) continue
      assert.isTrue(existsSync(`${root}${link}`), `${file} links to ${link}`)
    }
  }
})
