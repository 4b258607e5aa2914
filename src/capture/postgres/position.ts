import type { Position } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import { withoutProgress } from '../signal/progress.ts'
import { parseLsn, printLsn } from './lsn.ts'

/**
 * Text of a position:
 *   position  => stream | snapshot
 *   stream    => lsn '+' tail catchUp? | lsn ':' done catchUp? | lsn catchUp?
 *   snapshot  => 'snapshot ' JSON of SnapshotProgress
 *   catchUp   => ' ' JSON of {until, from}
 * `lsn+tail`: every transaction whose commit record starts at or before lsn is done; lsn + tail may be acknowledged to the server.
 * A plain `lsn` (as printed for commits) means the same with tail 1. `lsn:n`: of the transaction that commits at lsn the first n
 * change messages are done, as the server numbers them (filtered ones count too, so a changed table list cannot shift the number).
 */
export type PgPosition = StreamPosition | SnapshotPosition

export interface StreamPosition {
  readonly kind: 'stream'
  readonly lsn: bigint
  /** Bytes from `lsn` to what may be acknowledged; ≥ 1 for whole transactions, 0 inside one. */
  readonly tail: number
  /** Change messages of the transaction at `lsn` that are done; −1: all. */
  readonly done: number
  readonly catchUp: CatchUp | null
}

/**
 * A snapshot that was interrupted and continued is read at several points of the log. Until the stream has passed the last of them,
 * tables are at different points; a table listed in `from` was read later than the stream starts, so what committed before is dropped.
 */
export interface CatchUp {
  readonly until: bigint
  readonly from: ReadonlyMap<string, bigint>
}

export interface SnapshotPosition {
  readonly kind: 'snapshot'
  readonly progress: SnapshotProgress
}

export interface SnapshotProgress {
  /** Rows emitted so far, over restarts: orders snapshot positions. */
  readonly seq: number
  /** Newest point of the log at which a table was read. */
  readonly until: bigint
  /** Finished tables → the point at which the stream of the table has to start. */
  readonly done: ReadonlyMap<string, bigint>
  readonly current: {
    readonly table: string
    readonly start: bigint
    /** Key values (text) of the last row emitted; null: the table cannot be continued and is read again. */
    readonly key: readonly string[] | null
  } | null
}

/** Parses a position printed by `printPosition`, or a bare LSN. Fails with TRB-PG-019. */
export function parsePosition(position: Position): PgPosition {
  const text = withoutProgress(position)
  if (text.startsWith('snapshot ')) return { kind: 'snapshot', progress: parseProgress(text) }
  const m = /^([0-9A-Fa-f]+\/[0-9A-Fa-f]+)(?:\+(\d{1,9})|:(\d{1,15}))?(?: (\{.*\}))?$/.exec(text)
  const lsn = m === null ? null : parseLsn(m[1])
  if (m === null || lsn === null) throw new Failure('TRB-PG-019', { text })
  const catchUp = m[4] === undefined ? null : parseCatchUp(text, m[4])
  if (m[3] !== undefined) return { kind: 'stream', lsn, tail: 0, done: Number(m[3]), catchUp }
  return { kind: 'stream', lsn, tail: m[2] === undefined ? 1 : Number(m[2]), done: -1, catchUp }
}

export function printPosition(p: PgPosition): Position {
  if (p.kind === 'snapshot') return `snapshot ${printProgress(p.progress)}`
  const at = p.done < 0 ? `${printLsn(p.lsn)}+${p.tail}` : `${printLsn(p.lsn)}:${p.done}`
  if (p.catchUp === null) return at
  return `${at} ${JSON.stringify({ until: printLsn(p.catchUp.until), from: printMap(p.catchUp.from) })}`
}

/** Total order: snapshot before stream, then by commit, then by ordinal (a whole transaction after all its parts). */
export function comparePositions(a: Position, b: Position): number {
  const x = parsePosition(a)
  const y = parsePosition(b)
  if (x.kind === 'snapshot') return y.kind === 'snapshot' ? x.progress.seq - y.progress.seq : -1
  if (y.kind === 'snapshot') return 1
  if (x.lsn !== y.lsn) return x.lsn < y.lsn ? -1 : 1
  const i = x.done < 0 ? Number.MAX_SAFE_INTEGER : x.done
  const j = y.done < 0 ? Number.MAX_SAFE_INTEGER : y.done
  return i - j
}

function printProgress(p: SnapshotProgress): string {
  const current = p.current === null ? null : { table: p.current.table, start: printLsn(p.current.start), key: p.current.key }
  return JSON.stringify({ seq: p.seq, until: printLsn(p.until), done: printMap(p.done), current })
}

function parseProgress(text: string): SnapshotProgress {
  const o = object(text, parseJson(text, text.slice('snapshot '.length)))
  const seq = o['seq']
  if (typeof seq !== 'number' || !Number.isSafeInteger(seq) || seq < 0) throw new Failure('TRB-PG-019', { text })
  return { seq, until: lsnField(text, o['until']), done: parseMap(text, o['done']), current: parseCurrent(text, o['current']) }
}

function parseCurrent(text: string, value: unknown): SnapshotProgress['current'] {
  if (value === null) return null
  const o = object(text, value)
  const table = o['table']
  const key = o['key']
  if (typeof table !== 'string') throw new Failure('TRB-PG-019', { text })
  if (key !== null && !(Array.isArray(key) && key.every((k) => typeof k === 'string'))) throw new Failure('TRB-PG-019', { text })
  return { table, start: lsnField(text, o['start']), key: key as string[] | null }
}

function parseCatchUp(text: string, json: string): CatchUp {
  const o = object(text, parseJson(text, json))
  return { until: lsnField(text, o['until']), from: parseMap(text, o['from']) }
}

function parseMap(text: string, value: unknown): Map<string, bigint> {
  return new Map(Object.entries(object(text, value)).map(([k, v]) => [k, lsnField(text, v)]))
}

function printMap(map: ReadonlyMap<string, bigint>): Record<string, string> {
  return Object.fromEntries([...map].map(([k, v]) => [k, printLsn(v)]))
}

function lsnField(text: string, value: unknown): bigint {
  const lsn = typeof value === 'string' ? parseLsn(value) : null
  if (lsn === null) throw new Failure('TRB-PG-019', { text })
  return lsn
}

function object(text: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Failure('TRB-PG-019', { text })
  return value as Record<string, unknown>
}

function parseJson(text: string, json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (e) {
    throw new Failure('TRB-PG-019', { text }, e)
  }
}
