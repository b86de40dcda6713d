/** How the page looks, in light and in dark. */
export const style = `
:root { color-scheme: light dark; --line: #8884; --soft: #8882; }
* { box-sizing: border-box; }
body { font: 16px/1.5 system-ui, sans-serif; margin: 0 auto; max-width: 72rem; padding: 2rem 1.5rem; }
h1 { margin: 0; letter-spacing: -0.02em; }
header p { margin: 0.25rem 0 1.5rem; font-size: 1.125rem; }
h2 { font-size: 1.125rem; margin: 1.5rem 0 0.5rem; }
code, pre, td { font-family: ui-monospace, monospace; font-size: 0.875rem; }
pre { background: var(--soft); border-radius: 6px; overflow-x: auto; padding: 0.75rem 1rem; }
ul { padding-left: 1.25rem; }
output { border: 1px solid var(--line); border-radius: 1rem; font-size: 0.8rem; font-weight: normal; padding: 0.1rem 0.6rem; }
table { border-collapse: collapse; width: 100%; }
th, td { border-bottom: 1px solid var(--line); padding: 0.35rem 0.75rem 0.35rem 0; text-align: left; vertical-align: top; }
th { font-size: 0.8rem; font-weight: 600; }
td:last-child { overflow-wrap: anywhere; }
td:nth-child(-n + 3) { white-space: nowrap; }
.empty td { font-family: inherit; opacity: 0.7; padding: 1rem 0; }
`
