/** What the page does. Events are put in as text, never as markup: their values come from anyone. */
export const script = `
"use strict"
const rowsMax = 200
const byId = (id) => document.getElementById(id)
byId("example").textContent =
  "curl -X POST " + location.origin + "/api/entity/ref/shop/order/1001 \\\\\\n" +
  "  -H 'content-type: application/json' -d '{\\"values\\":{\\"status\\":\\"open\\"}}'"

const show = (text) => {
  byId("status").textContent = text
  byId("status").className = text
}
const cell = (row, text, title) => {
  const td = row.insertCell()
  td.textContent = text
  if (title) td.title = title
}
const source = new EventSource("/api/events/stream?domain=*&type=*")
source.onopen = () => show("connected")
source.onerror = () => show(source.readyState === EventSource.CLOSED ? "closed; reload the page" : "reconnecting")
source.onmessage = ({ data }) => {
  const event = JSON.parse(data)
  const { domain, type, key, values = {} } = event.entity
  const body = byId("events")
  body.querySelector(".empty")?.remove()
  const row = body.insertRow(0)
  row.dataset.id = event.id
  cell(row, event.position)
  cell(row, new Date(Number(BigInt(event.time) / 1000000n)).toLocaleTimeString(), event.time + " ns")
  cell(row, event.method.split("/").pop())
  cell(row, domain + " / " + type + " / " + key)
  const text = JSON.stringify(values)
  cell(row, text.length > 300 ? text.slice(0, 300) + "…" : text)
  while (body.rows.length > rowsMax) body.deleteRow(-1)
}
`
