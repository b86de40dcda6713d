// Loaded before anything else, and plain JavaScript: an older Node could not even read the rest.
const [major = 0, minor = 0] = process.versions.node.split(".").map(Number)
if (major < 22 || (major === 22 && minor < 22)) {
  process.stderr.write(`stategate needs Node 22.22 or later; this is ${process.version}\n`)
  process.exit(1)
}
