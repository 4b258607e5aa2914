import type { TestProject } from 'vitest/node'
import { type DatabaseServer, startDatabase } from './mysql-process.ts'

/** vitest global set-up of the MySQL project: one server of each kind for all its files, unless the environment names them. */
export default async function setup(project: TestProject): Promise<() => Promise<void>> {
  const started: DatabaseServer[] = []
  const provide = async (flavor: 'mysql' | 'mariadb'): Promise<number> => {
    const given = process.env[`TRIBUTARY_TEST_${flavor.toUpperCase()}_PORT`]
    if (given !== undefined) return Number(given)
    const server = await startDatabase(flavor)
    started.push(server)
    return server.port
  }
  const stop = async (): Promise<void> => {
    await Promise.all(started.map((s) => s.destroy()))
  }
  try {
    const [mysql, mariadb] = await Promise.all([provide('mysql'), provide('mariadb')])
    project.provide('mysqlPort', mysql)
    project.provide('mariadbPort', mariadb)
  } catch (e) {
    await stop()
    throw e
  }
  return stop
}

declare module 'vitest' {
  export interface ProvidedContext {
    mysqlPort: number
    mariadbPort: number
  }
}
