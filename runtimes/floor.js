// Loaded before anything else, and plain JavaScript: an older Node could not even read the rest.

// Log rotation sends these by habit. Without a listener Node would answer the first by listening for a debugger, through
// which anyone on this machine could run code in this process, and the second would end it in the middle of its calls.
for (const signal of ["SIGUSR1", "SIGUSR2"]) process.on(signal, () => {})

const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 22)) {
  const msg = `stategate needs Node 22.22 or later; this is ${process.version}`
  const line = JSON.stringify({ level: "fatal", time: new Date(), msg })
  process.stderr.write(`${process.stderr.isTTY ? msg : line}\n`)
  process.exit(1)
}
