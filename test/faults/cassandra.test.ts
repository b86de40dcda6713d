import { cassandra } from "../services/cassandra.ts"
import { faults } from "./faults.ts"

faults(cassandra, (place) => ({ name: "cassandra", ...place }), { connections: 1 })
