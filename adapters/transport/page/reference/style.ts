/** How the reference looks, in light and in dark, on a phone too. */
export const style = `
:root { color-scheme: light dark; --line: #8883; --soft: #8881; --dim: light-dark(#59636e, #9aa4b0); --accent: light-dark(#0b5cad, #79b8ff); --page: light-dark(#fff, #14171b); }
* { box-sizing: border-box; }
html { scroll-behavior: smooth; scroll-padding-top: 1rem; }
body { background: var(--page); color: light-dark(#1b1f24, #e4e7eb); display: grid; font: 16px/1.5 system-ui, sans-serif; grid-template-columns: 16rem minmax(0, 1fr); margin: 0 auto; max-width: 82rem; }
nav { align-self: start; border-right: 1px solid var(--line); height: 100vh; overflow-y: auto; padding: 1.75rem 1rem 2rem 1.5rem; position: sticky; top: 0; }
nav .brand { font-size: 1.125rem; font-weight: 700; letter-spacing: -0.02em; margin: 0; }
nav .brand a { color: inherit; }
nav h2 { color: var(--dim); font-size: 0.75rem; letter-spacing: 0.04em; margin: 1.5rem 0 0.25rem; }
nav ul { list-style: none; margin: 0; padding: 0; }
nav li a { align-items: center; border-radius: 6px; color: inherit; display: flex; font-size: 0.9rem; justify-content: space-between; margin-left: -0.5rem; padding: 0.15rem 0.5rem; }
nav li a:hover { background: var(--soft); text-decoration: none; }
main { padding: 1.75rem 2.5rem 6rem; }
h1 { font-size: 2rem; letter-spacing: -0.02em; line-height: 1.2; margin: 0 0 0.75rem; }
header p, .service p { max-width: 46rem; }
header > p { color: var(--dim); }
header > p:first-of-type { color: inherit; font-size: 1.125rem; }
.service { border-top: 1px solid var(--line); margin-top: 3rem; padding-top: 2rem; }
.service h2 { font-size: 1.5rem; letter-spacing: -0.01em; margin: 0 0 0.5rem; }
.call, .message { border: 1px solid var(--line); border-radius: 12px; margin-top: 1.5rem; padding: 1.25rem 1.5rem; }
:target { border-color: var(--accent); }
h3 { font-size: 1.125rem; margin: 0; }
h3 a { color: inherit; }
p { margin: 0.5rem 0; }
a { color: var(--accent); text-decoration: none; }
a:hover { text-decoration: underline; }
a:focus-visible, summary:focus-visible { outline: 2px solid var(--accent); outline-offset: 2px; }
small { color: var(--dim); font-size: 0.75rem; font-weight: 400; }
code, pre, .type { font-family: ui-monospace, monospace; font-size: 0.85rem; }
pre { background: var(--soft); border-radius: 8px; margin: 0.5rem 0; overflow-x: auto; padding: 0.5rem 0.75rem; }
.route { align-items: center; background: var(--soft); border-radius: 8px; display: flex; gap: 0.75rem; overflow-x: auto; padding: 0.5rem 0.75rem; }
.route code { white-space: nowrap; }
.verb { --hue: #0b6bcb; border: 1px solid color-mix(in srgb, var(--hue) 45%, transparent); border-radius: 5px; color: color-mix(in srgb, var(--hue) 75%, light-dark(#000, #fff)); font: 600 0.65rem/1.4 ui-monospace, monospace; padding: 0.05rem 0.35rem; }
.verb.post { --hue: #1a7f37; }
.verb.put { --hue: #9a6700; }
.verb.patch { --hue: #8250df; }
.verb.delete { --hue: #cf222e; }
.scroll { overflow-x: auto; }
table { border-collapse: collapse; margin-top: 1rem; width: 100%; }
caption { color: var(--dim); font-size: 0.8rem; font-weight: 600; padding-bottom: 0.25rem; text-align: left; }
th, td { border-top: 1px solid var(--line); padding: 0.4rem 1rem 0.4rem 0; text-align: left; vertical-align: top; }
th { font-weight: 600; white-space: nowrap; width: 13rem; }
td { font-size: 0.9rem; }
td p { margin: 0 0 0.15rem; }
.type { color: var(--dim); white-space: nowrap; width: 9rem; }
.answer { display: flex; gap: 1rem; margin-top: 1.25rem; }
.answer h4 { background: var(--soft); border-radius: 6px; font: 600 0.85rem/1.6 ui-monospace, monospace; height: 1.6em; margin: 0.5rem 0 0; padding: 0 0.5rem; }
.answer > div { min-width: 0; }
details { margin-top: 1.25rem; }
summary { color: var(--dim); cursor: pointer; font-size: 0.9rem; }
details th { width: 4rem; }
@media (max-width: 56rem) {
  body { display: block; }
  nav { border-bottom: 1px solid var(--line); border-right: 0; height: auto; padding: 1.25rem; position: static; }
  nav ul { display: flex; flex-wrap: wrap; gap: 0.25rem 0.75rem; }
  nav li a { gap: 0.35rem; margin: 0; padding: 0.1rem 0; }
  main { padding: 1.25rem 1.25rem 4rem; }
  .call, .message { padding: 1rem; }
  .call tr, .message tr { border-top: 1px solid var(--line); display: block; padding: 0.35rem 0; }
  .call th, .call td, .message th, .message td { border: 0; display: inline-block; padding: 0 0.5rem 0 0; width: auto; }
  .call td:last-child, .message td:last-child { display: block; }
}
@media (prefers-reduced-motion: reduce) { html { scroll-behavior: auto; } }
`
