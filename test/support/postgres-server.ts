import type { TestProject } from 'vitest/node'
import { startPostgres } from '../../scripts/embedded-postgres.ts'

/** vitest global set-up of the Postgres project: one server for all its files, unless TRIBUTARY_TEST_PG_URL names one. */
export default async function setup(project: TestProject): Promise<(() => Promise<void>) | undefined> {
  const given = process.env['TRIBUTARY_TEST_PG_URL']
  if (given !== undefined) {
    project.provide('postgresUrl', given)
    return undefined
  }
  const bin = process.env['TRIBUTARY_TEST_PG_BIN']
  const server = await startPostgres(bin === undefined ? {} : { bin })
  project.provide('postgresUrl', server.url)
  return () => server.stop()
}
