import { assert, test } from "vitest"
import { html, prose } from "../../../adapters/transport/page/reference/markup.ts"

test("values are text, unless they are markup themselves", () => {
  const hostile = `<img src=x onerror="a('b')">&amp;`
  const said = html`<p title="${hostile}">${hostile}</p>`.html
  const escaped = "&lt;img src=x onerror=&quot;a(&#39;b&#39;)&quot;&gt;&amp;amp;"
  assert.strictEqual(said, `<p title="${escaped}">${escaped}</p>`)
  assert.strictEqual(
    html`<ul>${[html`<li>${1}</li>`, html`<li>${"<"}</li>`]}${false}${undefined}</ul>`.html,
    "<ul><li>1</li><li>&lt;</li></ul>"
  )
})

test("prose has paragraphs and code, and nothing else", () => {
  assert.strictEqual(
    prose("a `<b>` c\n\n<i>*d*</i>").html,
    "<p>a <code>&lt;b&gt;</code> c</p><p>&lt;i&gt;*d*&lt;/i&gt;</p>"
  )
  assert.strictEqual(prose("").html, "")
})
