import type { LakeColumn, RowChanges, Vector } from '../src/contract/columns.ts'

/**
 * The table of the Spark-Hudi baseline (12 columns, about 250 bytes a row), made from a seed as columns: identity, version, decimal, two
 * timestamps, two texts with a number in them, two texts of few values, two doubles, 120 random characters.
 */
export const COLUMNS: readonly LakeColumn[] = [
  { name: 'id', type: { kind: 'string' } },
  { name: 'ts', type: { kind: 'long' } },
  { name: 'amount', type: { kind: 'decimal', precision: 12, scale: 2 } },
  { name: 'created_at', type: { kind: 'timestamp-micros' } },
  { name: 'updated_at', type: { kind: 'timestamp-micros' } },
  { name: 'name', type: { kind: 'string' } },
  { name: 'email', type: { kind: 'string' } },
  { name: 'city', type: { kind: 'string' } },
  { name: 'status', type: { kind: 'string' } },
  { name: 'score', type: { kind: 'double' } },
  { name: 'ratio', type: { kind: 'double' } },
  { name: 'note', type: { kind: 'string' } },
]

const CITIES = ['Paris', 'Berlin', 'Lagos', 'Osaka', 'Quito', 'Perth']
const STATES = ['new', 'paid', 'void']

/** A 32-bit generator (mulberry32). */
export function random(seed: number): () => number {
  let s = seed >>> 0
  return () => {
    s = (s + 0x6d2b79f5) | 0
    let t = Math.imul(s ^ (s >>> 15), 1 | s)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return (t ^ (t >>> 14)) >>> 0
  }
}

/** Rows with these ids as one chunk of changes: version 1 are inserts, later ones updates. */
export function ordersChanges(ids: Int32Array, version: number, seed: number): RowChanges {
  const n = ids.length
  const next = random(seed)
  const amount = Buffer.alloc(n * 6)
  const long = (of: (i: number) => bigint): Vector => {
    const data = new BigInt64Array(n)
    for (let i = 0; i < n; i++) data[i] = of(i)
    return { kind: 'fixed', width: 8, data: Buffer.from(data.buffer), valid: null }
  }
  const double = (of: (i: number) => number): Vector => {
    const data = new Float64Array(n)
    for (let i = 0; i < n; i++) data[i] = of(i)
    return { kind: 'fixed', width: 8, data: Buffer.from(data.buffer), valid: null }
  }
  const created = (i: number): bigint => 1_700_000_000_000_000n + BigInt(ids[i]) * 1_000_003n
  for (let i = 0; i < n; i++) amount.writeUIntBE(next() % 1_000_000_000, i * 6, 6)
  const vectors: Vector[] = [
    text(n, (i) => `cust-${String(ids[i]).padStart(12, '0')}`),
    long(() => BigInt(version)),
    { kind: 'fixed', width: 6, data: amount, valid: null },
    long(created),
    long((i) => created(i) + BigInt(version) * 1000n),
    text(n, (i) => `Name Surname ${ids[i]}`),
    text(n, (i) => `user${ids[i]}@example.test`),
    text(n, () => CITIES[next() % 6]),
    text(n, () => STATES[next() % 3]),
    double(() => next() / 2 ** 32),
    double(() => (next() / 2 ** 32 - 0.5) * 200),
    hex(n, 120, next),
  ]
  const op = new Uint8Array(n).fill(version === 1 ? 0x63 : 0x75)
  return { columns: COLUMNS, count: n, op, before: null, vectors, unavailable: COLUMNS.map(() => null), bytes: n * 290 }
}

function text(n: number, of: (i: number) => string): Vector {
  const parts: string[] = new Array(n)
  const offsets = new Int32Array(n + 1)
  for (let i = 0; i < n; i++) {
    parts[i] = of(i)
    offsets[i + 1] = offsets[i] + parts[i].length
  }
  return { kind: 'bytes', data: Buffer.from(parts.join(''), 'latin1'), offsets, valid: null }
}

function hex(n: number, length: number, next: () => number): Vector {
  const raw = new Uint32Array(Math.ceil((n * length) / 8))
  for (let i = 0; i < raw.length; i++) raw[i] = next()
  const offsets = new Int32Array(n + 1)
  for (let i = 0; i <= n; i++) offsets[i] = i * length
  return {
    kind: 'bytes',
    data: Buffer.from(
      Buffer.from(raw.buffer)
        .toString('hex')
        .slice(0, n * length),
      'latin1',
    ),
    offsets,
    valid: null,
  }
}

/** Ids of the base table cut into chunks, as a log would hand them over. */
export function* baseChanges(rows: number, chunk = 20_000): Generator<RowChanges> {
  for (let from = 0; from < rows; from += chunk) {
    const ids = Int32Array.from({ length: Math.min(chunk, rows - from) }, (_, i) => from + i)
    yield ordersChanges(ids, 1, from + 1)
  }
}

/** 90 % updates of distinct rows, 10 % new rows; `version` is the rows' version, and their seed. */
export function* upsertChanges(rows: number, count: number, chunk = 10_000, version = 2): Generator<RowChanges> {
  const next = random(48 + version)
  const updates = Math.floor(count * 0.9)
  const seen = new Set<number>()
  while (seen.size < updates) seen.add(next() % rows)
  const ids = Int32Array.from([...seen, ...Array.from({ length: count - updates }, (_, i) => rows + i)])
  for (let from = 0; from < count; from += chunk) yield ordersChanges(ids.slice(from, from + chunk), version, from + 7)
}
