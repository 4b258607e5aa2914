// npm run bench [-- name ...] [--runs=N] [--json]      each question's figures beside a reference measured in the same run
import { type Bench, type BenchRow, type Figure, machine } from './measure.ts'

const BENCHES: readonly { readonly name: string; load(): Promise<{ readonly bench: Bench }> }[] = [
  { name: 'pg-stream', load: () => import('./pg-stream.ts') },
  { name: 'mysql-stream', load: () => import('./mysql-stream.ts') },
  { name: 'snapshot', load: () => import('./snapshot.ts') },
  { name: 'cow-upsert', load: () => import('./cow-upsert.ts') },
  { name: 'bulk-insert', load: () => import('./bulk-insert.ts') },
  { name: 'mor-upsert', load: () => import('./mor-upsert.ts') },
  { name: 'mor-read', load: () => import('./mor-read.ts') },
  { name: 'commit-curve', load: () => import('./commit-curve.ts') },
  { name: 'compaction', load: () => import('./compaction.ts') },
  { name: 'pg-kafka', load: () => import('./pg-kafka.ts') },
  { name: 'kafka-lake', load: () => import('./kafka-lake.ts') },
]

const runs = Number(process.argv.find((a) => a.startsWith('--runs='))?.slice('--runs='.length) ?? 1)
const json = process.argv.includes('--json')
const wanted = process.argv.slice(2).filter((a) => !a.startsWith('--'))
const unknown = wanted.filter((w) => !BENCHES.some((b) => b.name === w))
if (unknown.length > 0) {
  console.error(`no such bench: ${unknown.join(', ')} (there are ${BENCHES.map((b) => b.name).join(', ')})`)
  process.exit(2)
}

const say = (text: string): void => console.error(text)
const rows: BenchRow[] = []
let failed = 0
for (const { name, load } of BENCHES) {
  if (wanted.length > 0 && !wanted.includes(name)) continue
  const { bench } = await load()
  say(`${name}: ${bench.question}`)
  try {
    rows.push(...(await bench.run((t) => say(`  ${t}`), runs)))
  } catch (e) {
    failed++
    say(`  failed: ${(e as Error).stack}`)
  }
}
console.log(json ? JSON.stringify({ machine: machine(), rows }) : table(rows))
process.exitCode = failed === 0 ? 0 : 1

function table(all: readonly BenchRow[]): string {
  const head = [
    'work',
    'rows',
    'wall s',
    'CPU s per M rows',
    'peak RSS MB',
    'reference',
    'wall s',
    'CPU s per M rows',
    'peak RSS MB',
    'ratio',
  ]
  const lines = all.map((r) => [
    r.work,
    count(r.ours),
    ...cells(r.ours),
    `${r.reference.name}${'recorded' in r.reference.figure ? ' *' : ''}`,
    ...cells(r.reference.figure),
    ratio(r),
  ])
  const widths = head.map((h, i) => Math.max(h.length, ...lines.map((l) => l[i].length)))
  const left = (i: number): boolean => i === 0 || i === 5
  const print = (cols: readonly string[]): string =>
    cols
      .map((c, i) => (left(i) ? c.padEnd(widths[i]) : c.padStart(widths[i])))
      .join('  ')
      .trimEnd()
  const marks = new Set(
    all.flatMap((r) =>
      'recorded' in r.reference.figure ? [`* ${r.reference.name}: not of this run; ${r.reference.figure.recorded}`] : [],
    ),
  )
  return [print(head), ...lines.map(print), '', ...marks, machine()].join('\n')
}

function count(f: Figure): string {
  return 'absent' in f ? '–' : f.rows.toLocaleString('en-US')
}

function cells(f: Figure): string[] {
  if ('absent' in f) return [`absent: ${f.absent}`, '–', '–']
  return [f.wallS.toFixed(2), ((f.cpuS / f.rows) * 1e6).toFixed(2), f.rssMb.toFixed(0)]
}

/** How many times faster (or cheaper) we are than the reference; below 1 we are slower. */
function ratio(r: BenchRow): string {
  if ('absent' in r.ours || 'absent' in r.reference.figure) return '–'
  const per = (f: Exclude<Figure, { absent: string }>): number => (r.by === 'wall' ? f.wallS : f.cpuS) / f.rows
  return `${(per(r.reference.figure) / per(r.ours)).toFixed(2)} × (${r.by === 'wall' ? 'wall' : 'CPU'})`
}
