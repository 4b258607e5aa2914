// node test/differential/run-differential.ts [--flavor mysql|mariadb] [--seeds 200] [--from 1] [--per-batch 20] [--keep DIR]
// The real Debezium and `cdc tail` read the same random statements (docs/debezium-compat.md lists where they differ); exit status 1 when they differ.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startDatabase } from '../support/mysql-process.ts'
import { CONFIGURATIONS } from './configurations.ts'
import { runBatch } from './differential.ts'
import { LiveDebezium } from './live-debezium.ts'

const { values } = parseArgs({
  options: {
    flavor: { type: 'string', default: 'mysql' },
    seeds: { type: 'string', default: '200' },
    from: { type: 'string', default: '1' },
    'per-batch': { type: 'string', default: '20' },
    keep: { type: 'string' },
  },
})
const flavor = values.flavor === 'mariadb' ? 'mariadb' : 'mysql'
const [seeds, from, perBatch] = [Number(values.seeds), Number(values.from), Number(values['per-batch'])]
const scratch = values.keep ?? mkdtempSync(join(tmpdir(), 'tributary-differential-'))
const server = await startDatabase(flavor, { args: flavor === 'mysql' ? '--binlog-rows-query-log-events=ON' : '' })
const live = new LiveDebezium(flavor)
let passed = 0
let failed = 0
try {
  for (let n = 0; n * perBatch < seeds; n++) {
    const first = from + n * perBatch
    const batch = Array.from({ length: Math.min(perBatch, seeds - n * perBatch) }, (_, i) => first + i)
    const settings = CONFIGURATIONS[Math.floor((first - 1) / perBatch) % CONFIGURATIONS.length]!
    const started = performance.now()
    const result = await runBatch({ flavor, port: server.port, seeds: batch, settings, live, dir: join(scratch, `${flavor}-${first}`) })
    const differing = new Set(result.differences.map((d) => /^p\.(dz_\d+)/.exec(d)?.[1] ?? 'order'))
    for (const d of result.differences) console.log(d)
    failed += differing.size
    passed += batch.length - differing.size
    const seconds = ((performance.now() - started) / 1000).toFixed(0)
    console.log(
      `${flavor} seeds ${first}-${first + batch.length - 1} ${JSON.stringify(settings)}: ${result.records} records, ${result.done} statements, ${result.refused} refused, ${seconds} s, ${differing.size} differ`,
    )
  }
} finally {
  await live.close()
  await server.destroy()
  if (values.keep === undefined) rmSync(scratch, { recursive: true, force: true })
}
console.log(`${passed} passed, ${failed} failed`)
process.exitCode = failed === 0 ? 0 : 1
