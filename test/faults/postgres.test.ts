import { postgresql } from "../services/postgres.ts"
import { faults } from "./faults.ts"

faults(postgresql, (place) => ({ name: "postgres", ...place }), { connections: 2 })
