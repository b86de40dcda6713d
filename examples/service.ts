// A service that keeps its stock in the gateway by plain fetch: node examples/service.ts URL KEY COUNT takes COUNT pieces.

const [url = "http://localhost:8080", key = "chair", count = "1"] = process.argv.slice(2)
const address = `${url}/api/entity/ref/warehouse/stock/${encodeURIComponent(key)}`
const conflictsMax = 100

const send = (method: string, values: object, condition: Record<string, string>) =>
  fetch(address, {
    method,
    headers: { "content-type": "application/json", ...condition },
    body: JSON.stringify({ values })
  })

const failed = async (response: Response) => new Error(`${response.status}: ${await response.text()}`)

/** Creates the stock, unless it exists. */
const create = async () => {
  const response = await send("POST", { pieces: 100 }, { "if-none-match": "*" })
  if (!response.ok && response.status !== 412) throw await failed(response)
}

/** Takes one piece. Another service may change the stock after the read: the Edit then fails, and reads again. */
const take = async () => {
  for (let conflicts = 0; conflicts < conflictsMax; conflicts++) {
    const read = await fetch(address)
    if (!read.ok) throw await failed(read)
    const { values, version } = (await read.json()) as { values: { pieces: number }; version: string }
    const edit = await send("PATCH", { pieces: values.pieces - 1 }, { "if-match": `"${version}"` })
    if (edit.ok) return
    if (edit.status !== 412) throw await failed(edit)
  }
  throw new Error(`the stock changed ${conflictsMax} times between a read and an edit; try again later`)
}

await create()
for (let taken = 0; taken < Number(count); taken++) await take()
