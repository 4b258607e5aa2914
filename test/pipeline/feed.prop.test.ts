import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import fc from 'fast-check'
import { afterAll, expect, test } from 'vitest'
import type { Log, SchemaRegistry, TopicBatch, TopicTable, TopicTables } from '../../src/contract/log.ts'
import { AppendGate } from '../../src/log/embedded/append-gate.ts'
import { openStateDatabase } from '../../src/log/embedded/database.ts'
import { createEmbeddedLog } from '../../src/log/embedded/embedded-log.ts'
import { feed } from '../../src/pipeline/feed.ts'
import { record } from '../conformance/log-data.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { Crash, FakeLake, fakeRows } from './fake-lake.ts'

// The model: records are numbered per topic; a table's content is the list of values applied to it, so a change that is lost or applied
// twice shows at once. The lake's process dies at any step of any call and is started again over what had become durable.

const root = mkdtempSync(join(tmpdir(), 'trib-feed-'))
afterAll(() => rmSync(root, { recursive: true, force: true }))
let dirs = 0

const TOPICS = ['p.s.a', 'p.s.b', 'p.s.c']
const clock = { now: () => 0, sleep: async () => undefined, uuid: () => 'u', random: () => 0 }
const never = new AbortController().signal
const now = AbortSignal.abort(new Error('drain'))
/** Ids 1 (keys), 2 … 5 (values; each adds a column). */
const registry: SchemaRegistry = {
  register: async () => 0,
  schema: async (id) => ['', 'k', 'k', 'k,x', 'k,x,y', 'k,y'][id]!,
}
const topicTables: TopicTables = {
  put: () => undefined,
  get: (topic) => (TOPICS.includes(topic) ? info(topic.slice(4)) : null),
}

/** One append: records per topic, whether it ends its transaction, and what happens to the lake after it. */
const step = fc.record({
  counts: fc.tuple(fc.nat(4), fc.nat(4), fc.nat(4), fc.nat(1)),
  schema: fc.integer({ min: 2, max: 5 }),
  boundary: fc.boolean(),
  run: fc.option(fc.record({ crashIn: fc.nat(40), conflicts: fc.nat(6), records: fc.integer({ min: 1, max: 15 }) }), { nil: null }),
})
const script = fc.record({ snapshot: fc.array(fc.nat(3), { minLength: 3, maxLength: 3 }), steps: fc.array(step, { maxLength: 25 }) })

test('each change reaches its table exactly once, whatever step the process dies at; watermarks increase and are whole transactions', async () => {
  await fc.assert(
    fc.asyncProperty(script, async (s) => {
      const model = new Model()
      for (const [i, count] of s.snapshot.entries())
        await model.append(
          [count, 0, 0, 0].map((_, t) => (t === i ? count : 0)),
          { snapshotOf: i },
        )
      for (const [i, st] of s.steps.entries()) {
        await model.append(st.counts, { boundary: st.boundary, schema: st.schema, commit: i })
        if (st.run !== null) await model.runLake(st.run.crashIn, st.run.conflicts, st.run.records)
        model.checkMarks()
      }
      for (let i = 0; i < 3; i++) await model.runLake(Number.POSITIVE_INFINITY, 0, 6)
      model.checkEnd()
      model.log.close()
    }),
    { numRuns: propertyRuns(60) },
  )
}, 120_000)

class Model {
  readonly lake = new FakeLake()
  readonly log: Log
  private readonly sent = TOPICS.map(() => 0)
  private messages = 0
  /** Records per topic up to each append. */
  private readonly upTo: number[][] = [[0, 0, 0]]
  private lastBoundary = 0
  private snapshots = 0

  constructor() {
    const db = openStateDatabase(join(root, String(dirs++)))
    db.pragma('synchronous = OFF')
    this.log = createEmbeddedLog(db, { clock, retention: { maxAgeMs: 0, maxBytes: 0 } })
  }

  async append(
    counts: readonly number[],
    what: { snapshotOf?: number; boundary?: boolean; schema?: number; commit?: number },
  ): Promise<void> {
    const inSnapshot = what.snapshotOf !== undefined
    const batches: TopicBatch[] = []
    for (const [t, topic] of TOPICS.entries()) {
      if (counts[t]! > 0) batches.push(this.batch(topic, counts[t]!, this.sent[t]!, what.schema ?? 2))
      this.sent[t]! += counts[t]!
    }
    if (counts[3]! > 0) batches.push(this.batch('p.message', counts[3]!, this.messages++, 2))
    if (inSnapshot) this.snapshots++
    const consistent = !inSnapshot || this.snapshots === TOPICS.length
    const boundary = inSnapshot || what.boundary === true
    const commit = consistent ? `0/${what.commit ?? 'snapshot'}` : null
    const snapshotDone = inSnapshot ? [TOPICS[what.snapshotOf!]!] : []
    const at = String(this.upTo.length)
    const id = await this.log.append(batches, {
      source: 's',
      at,
      boundary,
      commit,
      commitUs: consistent ? 1n : null,
      snapshotDone,
      consistent,
    })
    expect(id).toBe(this.upTo.length)
    this.upTo.push([...this.sent])
    if (consistent && boundary) this.lastBoundary = id
  }

  /** Starts the lake half over what is durable and drains it, unless it dies before. */
  async runLake(crashIn: number, conflicts: number, records: number): Promise<void> {
    this.lake.crashIn = crashIn
    this.lake.conflicts = Math.min(conflicts, 4)
    const policy = { intervalMs: 1000, records, bytes: 1e9 }
    const layout = () => ({ tableType: 'COPY_ON_WRITE', tableVersion: 6, partition: null }) as const
    const values = { source: 's', log: this.log, lake: this.lake, rows: fakeRows, registry, layout, topicTables, clock, policy }
    const onWatermark = (w: { appendId: number }): void => this.log.release(w.appendId)
    try {
      await feed({ ...values, signal: new AppendGate(0), onWatermark }, now, never)
    } catch (e) {
      if (!(e instanceof Crash)) throw e
    }
  }

  checkMarks(): void {
    let before = 0
    for (const m of this.lake.marks) {
      expect(m.appendId).toBeGreaterThanOrEqual(before)
      before = m.appendId
      for (const t of m.tables) {
        const topic = TOPICS.indexOf(t.topic)
        const expected = this.upTo[m.appendId]![topic]!
        expect(this.lake.valuesAt(t.path, t.instant)).toEqual(values(t.topic, expected))
        expect(t.nextOffset).toBe(expected)
      }
    }
  }

  checkEnd(): void {
    this.checkMarks()
    for (const [t, topic] of TOPICS.entries()) {
      const expected = this.upTo[this.lastBoundary]![t]!
      const table = this.lake.tables.get(`db/s/${topic.slice(4)}`)
      expect(table?.commits.flatMap((c) => c.values) ?? []).toEqual(values(topic, expected))
    }
    if (this.lastBoundary > 0) {
      const mark = this.lake.marks.at(-1)
      expect(mark?.tables.map((t) => t.nextOffset)).toEqual(mark?.tables.map((t) => this.upTo[this.lastBoundary]![TOPICS.indexOf(t.topic)]))
    }
  }

  private batch(topic: string, count: number, first: number, valueSchema: number): TopicBatch {
    const records = Buffer.concat(
      values(topic, first + count)
        .slice(first)
        .map((v) => record(Buffer.from('k'), Buffer.from(v))),
    )
    return { topic, partition: 0, count, keySchema: 1, valueSchema, records, headers: null, runs: [{ count, commit: '0/0', commitUs: 0n }] }
  }
}

function info(table: string): TopicTable {
  return { database: 'db', table: { schema: 's', table }, rowEstimate: -1, keySchema: 1, valueSchema: 2 }
}

function values(topic: string, count: number): string[] {
  return Array.from({ length: count }, (_, i) => `${topic}#${i}`)
}
