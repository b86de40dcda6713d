/** How the page looks, in light and in dark. */
export const style = `
:root { color-scheme: light dark; --line: #8883; --soft: #8881; --dim: light-dark(#59636e, #9aa4b0); --accent: light-dark(#0b5cad, #79b8ff); --good: #2da44e; --bad: #d4760b; }
* { box-sizing: border-box; }
body { background: light-dark(#fff, #14171b); color: light-dark(#1b1f24, #e4e7eb); font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 2rem 1.5rem; }
h1 { margin: 0; letter-spacing: -0.02em; }
header p { color: var(--dim); margin: 0.25rem 0 1.5rem; font-size: 1.125rem; }
h2 { font-size: 1.125rem; margin: 2rem 0 0.5rem; }
a { color: var(--accent); }
code, pre, td { font-family: ui-monospace, monospace; font-size: 0.875rem; }
pre { background: var(--soft); border: 1px solid var(--line); border-radius: 8px; overflow-x: auto; padding: 0.75rem 1rem; }
ul { line-height: 1.75; padding-left: 1.25rem; }
output { border: 1px solid var(--line); border-radius: 1rem; font-size: 0.8rem; font-weight: normal; margin-left: 0.25rem; padding: 0.1rem 0.6rem; }
output::before { background: var(--bad); border-radius: 50%; content: ""; display: inline-block; height: 0.5rem; margin-right: 0.4rem; width: 0.5rem; }
output.connected::before { background: var(--good); }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 0.4rem 1.25rem 0.4rem 0; text-align: left; vertical-align: top; }
th { color: var(--dim); font-size: 0.8rem; font-weight: 600; }
td { overflow-wrap: anywhere; }
td:nth-child(-n + 3) { white-space: nowrap; }
td:nth-child(-n + 2) { color: var(--dim); }
td:nth-child(3) { font-weight: 600; }
td:nth-child(4) { min-width: 15rem; }
.empty td { color: var(--dim); font-family: inherit; font-weight: normal; padding: 1rem 0; }
@media (max-width: 44rem) {
  thead { display: none; }
  tr { border-bottom: 1px solid var(--line); display: flex; flex-wrap: wrap; padding: 0.5rem 0; }
  td { border: 0; padding: 0 0.75rem 0 0; }
  td:nth-child(n + 4) { flex-basis: 100%; }
}
`
