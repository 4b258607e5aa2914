import { readdirSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { FLAVORS, type Flavor, serverOptions } from '../support/mysql.ts'
import { runMysqlScenario } from './run-mysql-scenario.ts'
import { loadScenario } from './scenario.ts'

const root = (flavor: Flavor): string => new URL(`../golden/debezium/${flavor}/`, import.meta.url).pathname

/** Recordings that are not matched, and what their run says instead. */
const OTHERWISE: Readonly<Record<Flavor, Readonly<Record<string, RegExp>>>> = {
  mysql: {
    // BOOLEAN in the text of a streamed DDL is TINYINT(1) everywhere else, also in Debezium's own snapshot
    boolean_no_converter: /event 1:[\s\S]*"type":"boolean"/,
    ddl_schema_changes: /include\.schema\.changes=true is not supported/,
    defaults: /include\.schema\.changes=true is not supported/,
    // signals come by a table only
    incremental_snapshot_read_only: /TRB-ENV-007 .*signal\.file/,
    names_avro: /include\.schema\.changes=true is not supported/,
    snapshot_markers: /include\.schema\.changes=true is not supported/,
    snapshot_no_data: /include\.schema\.changes=true is not supported/,
    truncate: /include\.schema\.changes=true is not supported/,
    types_zero_dates: /include\.schema\.changes=true is not supported/,
    unwrap_rewrite: /include\.schema\.changes=true is not supported/,
  },
  mariadb: {
    boolean_no_converter: /event 1:[\s\S]*"type":"boolean"/,
    ddl_schema_changes: /include\.schema\.changes=true is not supported/,
    defaults: /include\.schema\.changes=true is not supported/,
    // signals come by a table only
    incremental_snapshot_read_only: /TRB-ENV-007 .*signal\.file/,
    names_avro: /include\.schema\.changes=true is not supported/,
    // 3.5 begins the transaction again after the restart and counts from 1; 3.6 (the recording of MySQL) and this do not
    restart_mid_tx: /event 5:[\s\S]*p\.transaction/,
    snapshot_markers: /include\.schema\.changes=true is not supported/,
    snapshot_no_data: /include\.schema\.changes=true is not supported/,
    truncate: /include\.schema\.changes=true is not supported/,
    // the real connector stops at these tables
    types_inet4: /3 events instead of 0/,
    types_inet6: /3 events instead of 0/,
    types_year_zero_snapshot: /3 events instead of 0/,
    types_zero_dates: /include\.schema\.changes=true is not supported/,
    unwrap_rewrite: /include\.schema\.changes=true is not supported/,
  },
}

const LIMIT = { timeout: 120_000 }

describe.each(FLAVORS)('cdc tail on %s', (flavor) => {
  const url = (): string => {
    const { host, port, user } = serverOptions(flavor)
    return `mysql://${user}@${host}:${port}`
  }
  const names = readdirSync(root(flavor))
  const matched = names.filter((n) => OTHERWISE[flavor][n] === undefined)

  it.concurrent.each(matched)('%s: events, schema texts and Avro bytes of the recording', LIMIT, async (name) => {
    expect(await runMysqlScenario(loadScenario(join(root(flavor), name)), url())).toMatchObject({ difference: null })
  })

  it.concurrent.each(Object.entries(OTHERWISE[flavor]))(
    '%s: says what it does not do, or differs where it is listed',
    LIMIT,
    async (name, how) => {
      const { difference } = await runMysqlScenario(loadScenario(join(root(flavor), name)), url(), how)
      expect(difference).toMatch(how)
    },
  )
})
