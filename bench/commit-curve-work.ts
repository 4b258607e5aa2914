import { systemClock } from '../src/cli/clock.ts'
import type { LakeColumn } from '../src/contract/columns.ts'
import type { TableSpec } from '../src/contract/table.ts'
import { Compactor, DEFAULT_COMPACTION } from '../src/lake/service/compactor.ts'
import { DEFAULT_SERVICES, TableServices } from '../src/lake/service/run-services.ts'
import { openTableWriter } from '../src/lake/write/open-table.ts'
import { DiskStore } from '../src/storage/disk/disk-store.ts'

/** What commits cost between two of them, per commit. */
export interface CurvePoint {
  readonly commits: number
  readonly cpuMs: number
  readonly wallMs: number
  /** Calls to the store, and objects below `.hoodie/` that are no archive. */
  readonly calls: number
}

const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'int' } },
  { name: 'note', type: { kind: 'string' } },
  { name: '_event_lsn', type: { kind: 'long' } },
]

const [kind, dir, total, version] = process.argv.slice(2) as [TableSpec['tableType'], string, string, string]
const store = new DiskStore(dir, systemClock)
const spec: TableSpec = {
  ...{ name: 't', database: 'd', path: 't', columns: COLUMNS, key: ['id'], orderingField: '_event_lsn', partition: null, buckets: 1 },
  ...{ tableType: kind, tableVersion: version === '9' ? 9 : 6 },
}
const writer = await openTableWriter(store, spec, { clock: systemClock, scratchDir: `${dir}/scratch` })
const services = new TableServices(DEFAULT_SERVICES)
const work = { scratchDir: `${dir}/scratch`, memoryBudget: 12 << 20, rowGroupBytes: 12 << 20, sole: true }
const compactor = kind === 'MERGE_ON_READ' ? new Compactor(DEFAULT_COMPACTION, work) : null
const marks = new Set([100, 200, 500, 1000, 2000, 5000, 10_000])
const points: CurvePoint[] = []
let from = { n: 0, cpu: process.cpuUsage(), at: performance.now(), calls: store.counter.totalCalls }
for (let n = 1; n <= Number(total); n++) {
  // The window before each mark is measured: its last hundred commits.
  if (marks.has(n + 99)) from = { n: n - 1, cpu: process.cpuUsage(), at: performance.now(), calls: store.counter.totalCalls }
  const note = Buffer.from(`note ${n}`)
  const fixed = (width: number, write: (b: Buffer) => unknown): { kind: 'fixed'; width: number; data: Buffer; valid: null } => {
    const data = Buffer.alloc(width)
    write(data)
    return { kind: 'fixed', width, data, valid: null }
  }
  const staged = await writer.stage([
    {
      ...{ columns: COLUMNS, count: 1, op: Uint8Array.of(117), before: null, unavailable: [null, null, null], bytes: 100 },
      vectors: [
        fixed(4, (b) => b.writeInt32LE(n % 50)),
        { kind: 'bytes', data: note, offsets: Int32Array.of(0, note.length), valid: null },
        fixed(8, (b) => b.writeBigInt64LE(BigInt(n))),
      ],
    },
  ])
  await writer.commit(staged, { source: 's', commit: `0/${n}`, commitUs: 0n, topic: 't', nextOffset: n })
  await compactor?.run(writer.timeline)
  await services.run(writer.timeline)
  if (!marks.has(n)) continue
  const cpu = process.cpuUsage(from.cpu)
  const each = (x: number): number => x / (n - from.n)
  points.push({
    commits: n,
    cpuMs: each((cpu.user + cpu.system) / 1000),
    wallMs: each(performance.now() - from.at),
    calls: each(store.counter.totalCalls - from.calls),
  })
}
process.stdout.write(JSON.stringify(points))
