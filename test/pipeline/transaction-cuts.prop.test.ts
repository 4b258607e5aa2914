import fc from 'fast-check'
import { test } from 'vitest'
import type { Cut } from '../../src/pipeline/ingest-cuts.ts'
import { propertyRuns } from '../support/property-runs.ts'
import { type Event, TRANSACTIONS, TransactionTopics, watermarkAt } from './transaction-topics.ts'

/** Partitions of the tables: `b` has two. */
const PARTITIONS = ['p.s.a 0', 'p.s.b 0', 'p.s.b 1', 'p.s.c 0'] as const

type Produced = { readonly to: string; readonly event: Event | 'begin' | 'end'; readonly transaction: number }

/** What a producer writes of these transactions, in order; each is a list of ordinals in PARTITIONS. */
function production(transactions: readonly (readonly number[])[]): Produced[] {
  const out: Produced[] = []
  for (const [n, events] of transactions.entries()) {
    out.push({ to: TRANSACTIONS, event: 'begin', transaction: n })
    const orders = new Map<string, number>()
    for (const p of events) {
      const to = PARTITIONS[p]!
      const topic = to.split(' ')[0]!
      const order = (orders.get(topic) ?? 0) + 1
      orders.set(topic, order)
      out.push({ to, event: { id: `t${n}`, order }, transaction: n })
    }
    out.push({ to: TRANSACTIONS, event: 'end', transaction: n })
  }
  return out
}

/** With crashes: the producer had got so far, of which each topic lost some at the end, and began again some transactions before. */
function withCrashes(all: readonly Produced[], crashes: readonly Crash[]): Map<string, Produced[]> {
  const streams = new Map<string, Produced[]>([...PARTITIONS, TRANSACTIONS].map((t) => [t, []]))
  let from = 0
  for (const crash of [...crashes, null]) {
    const end = crash === null ? all.length : Math.min(all.length, from + crash.after)
    const part = all.slice(from, end)
    const first = Math.max(0, (part.at(-1)?.transaction ?? 0) - (crash?.back ?? 0))
    const again = all.findIndex((p) => p.transaction === first)
    for (const [at, [to, stream]] of [...streams].entries()) {
      const own = part.filter((p) => p.to === to)
      const lost = crash === null ? 0 : crash.lost[at]!
      // What is lost was not acknowledged: it is sent again.
      const kept = own.filter((p, i) => i < own.length - lost || all.indexOf(p) < again)
      stream.push(...kept)
    }
    from = crash === null ? end : Math.min(again, end)
  }
  return streams
}

interface Crash {
  readonly after: number
  readonly back: number
  readonly lost: readonly number[]
}

const transactions = fc.array(fc.array(fc.nat(3), { maxLength: 5 }), { minLength: 1, maxLength: 12 })
const crash = fc.record({ after: fc.nat(20), back: fc.nat(2), lost: fc.array(fc.nat(2), { minLength: 5, maxLength: 5 }) })
const steps = fc.array(fc.record({ at: fc.nat(4), count: fc.integer({ min: 1, max: 4 }), restart: fc.boolean() }), { maxLength: 40 })

test('a state of the source holds all events up to it and none behind, however topics lag, producers repeat and readers restart', async () => {
  const property = fc.asyncProperty(
    transactions,
    fc.array(crash, { maxLength: 2 }),
    steps,
    fc.integer({ min: 1, max: 8 }),
    async (given, crashes, moves, limit) => {
      const all = production(given)
      const streams = withCrashes(all, crashes)
      const topics = new TransactionTopics()
      for (const p of PARTITIONS) topics.add(p.split(' ')[0]!, Number(p.split(' ')[1]))
      const shown = new Map<string, number>()
      const show = (to: string, count: number): void => {
        const stream = streams.get(to)!
        const from = shown.get(to) ?? 0
        for (const { event, transaction: n } of stream.slice(from, from + count)) {
          if (event === 'begin') topics.begin(`t${n}`)
          else if (event === 'end') topics.end(`t${n}`, countsOf(given[n]!))
          else topics.add(to.split(' ')[0]!, Number(to.split(' ')[1]), event)
        }
        shown.set(to, Math.min(stream.length, from + count))
      }
      let state: Cut | null = null
      let newest = 0
      let tables = new Map<string, number>()
      let cuts = topics.open({ limit })
      const poll = async (): Promise<void> => {
        for (const cut of await cuts.poll(topics.ranges())) {
          if (cut.info.id <= newest) throw new Error('ids of cuts increase')
          newest = cut.info.id
          for (const [t, own] of cut.ends) for (const [p, end] of own) tables.set(`${t} ${p}`, Math.max(end, tables.get(`${t} ${p}`) ?? 0))
          if (!cut.exact) continue
          state = cut
          check(cut, topics, all)
        }
      }
      for (const { at, count, restart } of moves) {
        show([...PARTITIONS, TRANSACTIONS][at]!, count)
        await poll()
        if (!restart || state === null) continue
        const mark = watermarkAt(state, newest)
        cuts = topics.open({ limit, exact: mark, newest: mark }, tables)
      }
      for (const t of streams.keys()) show(t, Number.MAX_SAFE_INTEGER)
      tables = new Map(tables)
      const last = given.findLastIndex((events) => events.length > 0)
      const reached = (): number => Number(state?.info.cursor.commit?.slice(1) ?? -1)
      // What is given up on is waited for twice: for its count, and for its partitions to go on.
      for (let i = 0; i < 3000 && reached() < last; i++) await poll()
      if (reached() < last) throw new Error(`the newest state is transaction ${reached()} of ${last}`)
    },
  )
  await fc.assert(property, { numRuns: propertyRuns(100) })
}, 60_000)

function countsOf(events: readonly number[]): Record<string, number> {
  const counts: Record<string, number> = {}
  for (const p of events) {
    const name = PARTITIONS[p]!.split(' ')[0]!.slice(2)
    counts[name] = (counts[name] ?? 0) + 1
  }
  return counts
}

function check(cut: Cut, topics: TransactionTopics, all: readonly Produced[]): void {
  const upTo = Number(cut.info.cursor.commit!.slice(1))
  for (const key of PARTITIONS) {
    const [topic, partition] = key.split(' ')
    const held = topics.partitions.get(key)!.slice(0, cut.ends.get(topic!)!.get(Number(partition))!)
    const found = new Set(held.map((e) => (e === 'tombstone' ? e : `${e.id} ${e.order}`)))
    for (const { to, event, transaction } of all) {
      if (to !== key || typeof event === 'string') continue
      const has = found.has(`${event.id} ${event.order}`)
      if (has !== transaction <= upTo)
        throw new Error(`state ${upTo}: ${key} ${has ? 'has' : 'lacks'} event ${event.order} of ${transaction}`)
    }
  }
}
