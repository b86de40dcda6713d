import { ferretdb } from "../services/ferretdb.ts"
import { faults } from "./faults.ts"

faults(ferretdb, (place) => ({ name: "mongo", ...place }), { connections: 2 })
