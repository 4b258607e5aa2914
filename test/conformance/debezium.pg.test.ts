import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { postgresUrl } from '../support/postgres.ts'
import { runScenario } from './run-scenario.ts'
import { loadScenario } from './scenario.ts'

const ROOT = new URL('../golden/debezium/postgres/', import.meta.url).pathname

/** A few of the recordings; `npm run conformance` runs them all. */
const HERE = ['pk_change', 'restart_mid_tx', 'tx_metadata', 'types_numeric_precise']

describe('cdc tail gives the records that the real Debezium gave', () => {
  it.concurrent.each(HERE)('%s: events, schema texts and Avro bytes', { timeout: 90_000 }, async (name) => {
    expect(await runScenario(loadScenario(join(ROOT, name)), postgresUrl())).toMatchObject({ difference: null })
  })

  it('covers only recordings that are kept', () => {
    expect(readdirSync(ROOT)).toEqual(expect.arrayContaining(HERE))
  })
})
