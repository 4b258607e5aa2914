import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, test } from 'vitest'
import { FLAVORS, serverOptions } from '../support/mysql.ts'
import { CONFIGURATIONS } from './configurations.ts'
import { runBatch } from './differential.ts'
import { LiveDebezium } from './live-debezium.ts'

const SCRIPT = new URL('../services/debezium.sh', import.meta.url).pathname
const installed = spawnSync('bash', [SCRIPT, 'bin'], { timeout: 30_000 }).status === 0

// A few seeds under one configuration; test/differential/differential.ts by itself runs hundreds under all.
describe.skipIf(!installed)('the live connector and cdc tail (bash test/services/debezium.sh install)', () => {
  test.each(FLAVORS)(
    '%s: the same random DDL and rows give the same events, schema texts and Avro bytes',
    { timeout: 400_000 },
    async (flavor) => {
      const dir = mkdtempSync(join(tmpdir(), 'tributary-differential-'))
      const live = new LiveDebezium(flavor)
      try {
        // Databases of other suites are none of its business.
        const settings = { ...CONFIGURATIONS[2]!, 'schema.history.internal.store.only.captured.databases.ddl': 'true' }
        const result = await runBatch({ flavor, port: serverOptions(flavor).port, seeds: [41, 42, 43], settings, live, dir })
        expect(result.differences).toEqual([])
        expect(result.records).toBeGreaterThan(20)
      } finally {
        await live.close()
        rmSync(dir, { recursive: true, force: true })
      }
    },
  )
})
