import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { KEY_SCHEMA, keyBytes, VALUE_SCHEMA, valueBytes } from '../support/envelope-topic.ts'
import { type ProducedRecord, serveSchemas, TopicProducer } from '../support/topic-producer.ts'

export interface IngestKillOptions {
  readonly bootstrap: string
  readonly kills: number
  readonly members: number
  readonly seed: number
  readonly log: (text: string) => void
}

export interface IngestKillReport {
  readonly kills: number
  readonly records: number
  readonly problems: readonly string[]
}

const LAKE = fileURLToPath(new URL('../../bin/lake.mjs', import.meta.url))
const KEYED = ['orders', 'items'] as const
const PARTITIONS = 3
const KEYS = 300
const SESSION_MS = 2000
/** Each so many hits a member is not killed but stopped for longer than its session: what it goes on with belongs to another one by then. */
const FREEZE_EACH = 2

/**
 * Members of one group bring in two tables with keys (three partitions each) and one without (every repeated insert shows), while they are
 * killed, or frozen for longer than their session lasts, at random moments. At the end the lake must hold what the records say, once.
 */
export async function ingestKillTest(options: IngestKillOptions): Promise<IngestKillReport> {
  const random = mulberry(options.seed)
  const prefix = `kill${options.seed}x${process.pid}`
  const root = mkdtempSync(join(tmpdir(), 'tributary-ingest-kill-'))
  const registry = await serveSchemas(new Map([[1, KEY_SCHEMA], [2, VALUE_SCHEMA]])) // biome-ignore format: a pair a line
  const producer = new TopicProducer(options.bootstrap)
  const load = new Load(prefix, random)
  await producer.create(
    KEYED.map((t) => `${prefix}.public.${t}`),
    PARTITIONS,
  )
  await producer.create([`${prefix}.public.events`], 1)
  const flags = ['--kafka', options.bootstrap, '--topics', `${prefix}.*`, '--registry', registry.url, '--lake', join(root, 'lake')]
  const args = [LAKE, 'ingest', ...flags, '--group', prefix, '--session-timeout', `${SESSION_MS}ms`]
  const children: Child[] = []
  const start = (): Child => new Child([...args, '--flush-interval', '300ms', '--flush-rows', '400'])
  let kills = 0
  let over = false
  const feeding = (async () => {
    while (!over) {
      await producer.send(load.next(150))
      await sleep(40)
    }
  })()
  try {
    for (let i = 0; i < options.members; i++) children.push(start())
    while (kills < options.kills) {
      await sleep(300 + random() * 3000)
      const at = Math.floor(random() * children.length)
      const hit = children[at]!
      if (hit.exit !== null) return report([`a member ended by itself: ${hit.output}`])
      kills++
      if (kills % FREEZE_EACH === 0) {
        options.log(`${kills}: frozen`)
        await hit.freeze(SESSION_MS + 1000 + random() * 2000)
        continue
      }
      await hit.kill()
      options.log(`${kills}: killed`)
      children[at] = start()
    }
    over = true
    await feeding
    for (const c of children) await c.stop()
    // Not synchronous: it asks the registry, which is in this process.
    const last = new Child([...args, '--once'])
    await last.end(180_000)
    if (last.exit !== 0) return report([`the last run ended with ${last.exit}: ${last.output}`])
    return report(load.compare((table) => rowsOf(join(root, 'lake', prefix, 'public', table))))
  } finally {
    over = true
    await feeding
    for (const c of children) await c.kill()
    await producer.close()
    registry.close()
    rmSync(root, { recursive: true, force: true })
  }

  function report(problems: readonly string[]): IngestKillReport {
    return { kills, records: load.records, problems }
  }
}

class Child {
  exit: number | string | null = null
  output = ''
  readonly #process: ChildProcess
  readonly #ended: Promise<void>

  constructor(args: readonly string[]) {
    this.#process = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'pipe'] })
    this.#process.stderr?.setEncoding('utf8').on('data', (text: string) => {
      this.output = `${this.output}${text}`.slice(-4000)
    })
    this.#ended = new Promise((resolve) => {
      this.#process.on('exit', (code, signal) => {
        this.exit = code ?? signal ?? 'gone'
        resolve()
      })
    })
  }

  async kill(): Promise<void> {
    this.#process.kill('SIGKILL')
    await this.#ended
  }

  async freeze(ms: number): Promise<void> {
    this.#process.kill('SIGSTOP')
    await sleep(ms)
    this.#process.kill('SIGCONT')
  }

  async stop(): Promise<void> {
    this.#process.kill('SIGINT')
    await this.end(60_000)
  }

  /** Waits for its end, so long; then it is killed. */
  async end(ms: number): Promise<void> {
    await Promise.race([this.#ended, sleep(ms)])
    await this.kill()
  }
}

/** Changes of the tables, and what they add up to. */
class Load {
  records = 0
  readonly #prefix: string
  readonly #random: () => number
  readonly #rows = new Map<string, Map<number, string>>(KEYED.map((t) => [t, new Map()]))
  #lsn = 1
  #events = 0

  constructor(prefix: string, random: () => number) {
    this.#prefix = prefix
    this.#random = random
  }

  next(count: number): ProducedRecord[] {
    const out: ProducedRecord[] = []
    for (let i = 0; i < count; i++) {
      const lsn = this.#lsn++
      if (this.#random() < 0.2) {
        const value = valueBytes({ op: 'c', id: this.#events++, v: 'e', lsn })
        out.push({ topic: `${this.#prefix}.public.events`, key: null, value, partition: 0 })
      } else out.push(...this.#change(KEYED[Math.floor(this.#random() * KEYED.length)]!, lsn))
    }
    this.records += out.length
    return out
  }

  #change(table: string, lsn: number): ProducedRecord[] {
    const rows = this.#rows.get(table)!
    const id = Math.floor(this.#random() * KEYS)
    const where = { topic: `${this.#prefix}.public.${table}`, key: keyBytes(id), partition: id % PARTITIONS }
    const old = rows.get(id)
    if (old !== undefined && this.#random() < 0.2) {
      rows.delete(id)
      return [
        { ...where, value: valueBytes({ op: 'd', id, v: old, lsn }) },
        { ...where, value: null },
      ]
    }
    const v = `v${lsn}`
    rows.set(id, v)
    return [{ ...where, value: valueBytes({ op: old === undefined ? 'c' : 'u', id, v, lsn }) }]
  }

  compare(read: (table: string) => readonly { readonly id: number; readonly v: string }[]): string[] {
    const problems: string[] = []
    for (const table of KEYED) {
      const found = new Map(read(table).map((r) => [r.id, r.v]))
      const expected = this.#rows.get(table)!
      for (const [id, v] of expected) if (found.get(id) !== v) problems.push(`${table} ${id}: ${found.get(id)} instead of ${v}`)
      for (const id of found.keys()) if (!expected.has(id)) problems.push(`${table} ${id} should be gone`)
    }
    const events = read('events').map((r) => r.id)
    const distinct = new Set(events)
    if (events.length !== distinct.size) problems.push(`${events.length - distinct.size} events are there twice`)
    if (distinct.size !== this.#events) problems.push(`${this.#events - distinct.size} of ${this.#events} events are missing`)
    return problems.slice(0, 20)
  }
}

function rowsOf(path: string): { readonly id: number; readonly v: string }[] {
  const done = spawnSync(process.execPath, [LAKE, 'read', path, '--format', 'jsonl'], { encoding: 'utf8', maxBuffer: 1 << 29 })
  if (done.status !== 0) throw new Error(done.stderr)
  return done.stdout.split('\n').flatMap((line) => (line === '' ? [] : [JSON.parse(line) as { id: number; v: string }]))
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms))

function mulberry(seed: number): () => number {
  let a = seed >>> 0
  return () => {
    a = (a + 0x6d2b79f5) >>> 0
    let t = Math.imul(a ^ (a >>> 15), 1 | a)
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296
  }
}
