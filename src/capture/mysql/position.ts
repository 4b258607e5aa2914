import type { Position } from '../../contract/change.ts'
import { Failure } from '../../failure/failure.ts'
import { withoutProgress } from '../signal/progress.ts'
import { covers, flavorOf, type Gtids, parseGtids } from './gtids.ts'

/**
 * Text of a position:
 *   position => stream | snapshot
 *   stream   => point (' ' JSON of what is not usual)?
 *   snapshot => 'snapshot ' JSON of SnapshotProgress
 *   point    => file ':' pos ('/' gtids)?
 * `bin.000003:1234/<gtids>`: everything before byte 1234 of that file is done, and these are the GTIDs of all that. Printed commits of
 * transactions are points with their one GTID. JSON keys: rows, event, row, gtid, begin (inside a transaction that starts at the point),
 * server, epoch, prepared, until and from.
 */
export type MysqlPosition = StreamPosition | SnapshotPosition

/** A place between transactions. */
export interface Point {
  readonly file: string
  readonly pos: number
  /** Everything before it; null: the server writes no GTIDs. */
  readonly gtids: string | null
}

/** How far the transaction that starts at a position is done. */
export interface Inside {
  /** Rows (of all tables, captured or not) that are done; −1: not known, count by `event` and `row`. */
  readonly rows: number
  /** Debezium's counters: the event they are in (BEGIN and TABLE_MAP count), and rows of it that are done. */
  readonly event: number
  readonly row: number
  readonly gtid: string | null
  /** Start of BEGIN: MySQL writes the GTID in front of it. */
  readonly begin: number
}

export interface StreamPosition extends Point {
  readonly kind: 'stream'
  /** Null: at a boundary. */
  readonly inside: Inside | null
  /** server_uuid (MySQL) or server_id (MariaDB): whose files these are. Null: not known. */
  readonly server: string | null
  /** Counts how often the stream went on in another history of files (failover): keeps places increasing. */
  readonly epoch: number
  /** XA transactions that are prepared and neither committed nor rolled back: xid → where their changes are. */
  readonly prepared: ReadonlyMap<string, Point>
  readonly catchUp: CatchUp | null
}

/**
 * A snapshot that was interrupted and continued is read at several points of the log. Until the stream has passed the last of them,
 * tables are at different points; a table listed in `from` was read later than the stream starts, so what committed before is dropped.
 */
export interface CatchUp {
  readonly until: Point
  readonly from: ReadonlyMap<string, Point>
}

export interface SnapshotPosition {
  readonly kind: 'snapshot'
  readonly progress: SnapshotProgress
}

export interface SnapshotProgress {
  /** Rows emitted so far, over restarts: orders snapshot positions. */
  readonly seq: number
  /** Newest point of the log at which a table was read. */
  readonly until: Point
  /** Finished tables (`db.table`) → the point from which the stream counts for them. */
  readonly done: ReadonlyMap<string, Point>
  readonly current: {
    readonly table: string
    readonly start: Point
    /** Key values (text) of the last row emitted; null: the table cannot be continued and is read again. */
    readonly key: readonly string[] | null
  } | null
  readonly server: string | null
}

/** A stream position at a boundary, with nothing unusual. */
export function streamAt(point: Point, server: string | null = null, catchUp: CatchUp | null = null): StreamPosition {
  return { kind: 'stream', ...point, inside: null, server, epoch: 0, prepared: new Map(), catchUp }
}

/**
 * A position as one of this server. After a failover its places come behind all places before; where prepared XA transactions are was said
 * by files of the other server, so that is not known any more (the decoder refuses their commit).
 */
export function onServer(from: StreamPosition, server: string): StreamPosition {
  if (from.server === null || from.server === server) return { ...from, server }
  return { ...from, server, epoch: from.epoch + 1, prepared: new Map() }
}

/** `bin.000003:1234/<gtids>` */
export function printPoint(p: Point): string {
  return p.gtids === null ? `${p.file}:${p.pos}` : `${p.file}:${p.pos}/${p.gtids}`
}

/** Null: not such a text. */
export function parsePoint(text: string): Point | null {
  const m = /^([^:/\s]+):(\d{1,15})\+?(?:\/([^\s~]*))?(?:~\d{1,3})?$/.exec(text)
  if (m === null) return null
  const gtids = m[3] ?? null
  if (gtids !== null && parseGtids(gtids, flavorOf(gtids)) === null) return null
  return { file: m[1], pos: Number(m[2]), gtids }
}

/** Number of a binlog file, from its ending; 0 without one. */
export function fileNumber(file: string): number {
  return Number(/\.(\d+)$/.exec(file)?.[1] ?? 0)
}

/** Fails with TRB-MY-022. */
export function parsePosition(position: Position): MysqlPosition {
  const text = withoutProgress(position)
  if (text.startsWith('snapshot ')) return { kind: 'snapshot', progress: parseProgress(text) }
  const space = text.indexOf(' ')
  const point = parsePoint(space < 0 ? text : text.slice(0, space))
  if (point === null) throw bad(text)
  const o = space < 0 ? {} : object(text, parseJson(text, text.slice(space + 1)))
  const until = o['until'] === undefined ? null : pointField(text, o['until'])
  return {
    kind: 'stream',
    ...point,
    inside: o['event'] === undefined ? null : parseInside(text, o, point),
    server: optionalText(text, o['server']),
    epoch: numberField(text, o['epoch'] ?? 0),
    prepared: parseMap(text, o['prepared'] ?? {}),
    catchUp: until === null ? null : { until, from: parseMap(text, o['from']) },
  }
}

export function printPosition(p: MysqlPosition): Position {
  if (p.kind === 'snapshot') return `snapshot ${printProgress(p.progress)}`
  const o: Record<string, unknown> = {}
  if (p.inside !== null) {
    const { rows, event, row, gtid, begin } = p.inside
    Object.assign(o, { rows, event, row, ...(gtid === null ? {} : { gtid }), ...(begin === p.pos ? {} : { begin }) })
  }
  if (p.server !== null) o['server'] = p.server
  if (p.epoch !== 0) o['epoch'] = p.epoch
  if (p.prepared.size > 0) o['prepared'] = printMap(p.prepared)
  if (p.catchUp !== null) Object.assign(o, { until: printPoint(p.catchUp.until), from: printMap(p.catchUp.from) })
  const point = printPoint(p)
  return Object.keys(o).length === 0 ? point : `${point} ${JSON.stringify(o)}`
}

/**
 * Total order over the positions of one stream: snapshot before stream; then by GTIDs where both have them (files of different servers
 * have no order), else by file and byte; then by what is done of the transaction that follows.
 */
export function comparePositions(a: Position, b: Position): number {
  const x = parsePosition(a)
  const y = parsePosition(b)
  if (x.kind === 'snapshot') return y.kind === 'snapshot' ? x.progress.seq - y.progress.seq : -1
  if (y.kind === 'snapshot') return 1
  return compareByGtids(x, y) ?? (compareByFile(x, y) || compareInside(x.inside, y.inside))
}

/** Whether a transaction is part of what was read at `point`: by its GTID, else by where it starts. */
export function isBefore(gtid: string | null, file: string, start: number, point: Point): boolean {
  if (gtid !== null && point.gtids !== null) {
    const flavor = flavorOf(gtid)
    const all = parseGtids(point.gtids, flavor)
    const one = parseGtids(gtid, flavor)
    if (all !== null && one !== null) return covers(all, one)
  }
  const by = fileNumber(file) - fileNumber(point.file)
  return by !== 0 ? by < 0 : start < point.pos
}

/** Whether everything up to `goal` is part of `at`. */
export function hasReached(at: Point, goal: Point): boolean {
  const known = setsOf(at, goal)
  if (known !== null) return covers(known[0], known[1])
  const by = fileNumber(at.file) - fileNumber(goal.file)
  return by !== 0 ? by > 0 : at.pos >= goal.pos
}

function setsOf(x: Point, y: Point): [Gtids, Gtids] | null {
  if (x.gtids === null || y.gtids === null) return null
  const flavor = flavorOf(x.gtids === '' ? y.gtids : x.gtids)
  const a = parseGtids(x.gtids, flavor)
  const b = parseGtids(y.gtids, flavor)
  return a === null || b === null ? null : [a, b]
}

/** Null: one is not part of the other, or there are none. */
function compareByGtids(x: StreamPosition, y: StreamPosition): number | null {
  if (x.gtids !== null && x.gtids === y.gtids) return compareInside(x.inside, y.inside)
  const sets = setsOf(x, y)
  if (sets === null) return null
  const more = covers(sets[0], sets[1])
  const less = covers(sets[1], sets[0])
  if (more && less) return compareInside(x.inside, y.inside)
  return more ? 1 : less ? -1 : null
}

function compareByFile(x: StreamPosition, y: StreamPosition): number {
  return x.epoch - y.epoch || fileNumber(x.file) - fileNumber(y.file) || x.pos - y.pos
}

function compareInside(x: Inside | null, y: Inside | null): number {
  if (x === null || y === null) return (x === null ? 0 : 1) - (y === null ? 0 : 1)
  if (x.rows >= 0 && y.rows >= 0) return x.rows - y.rows
  return x.event - y.event || x.row - y.row
}

function parseInside(text: string, o: Record<string, unknown>, point: Point): Inside {
  const rows = o['rows']
  if (typeof rows !== 'number' || !Number.isSafeInteger(rows) || rows < -1) throw bad(text)
  return {
    rows,
    event: numberField(text, o['event']),
    row: numberField(text, o['row']),
    gtid: optionalText(text, o['gtid']),
    begin: numberField(text, o['begin'] ?? point.pos),
  }
}

function printProgress(p: SnapshotProgress): string {
  const current = p.current === null ? null : { table: p.current.table, start: printPoint(p.current.start), key: p.current.key }
  return JSON.stringify({ seq: p.seq, until: printPoint(p.until), done: printMap(p.done), current, server: p.server })
}

function parseProgress(text: string): SnapshotProgress {
  const o = object(text, parseJson(text, text.slice('snapshot '.length)))
  return {
    seq: numberField(text, o['seq']),
    until: pointField(text, o['until']),
    done: parseMap(text, o['done']),
    current: parseCurrent(text, o['current']),
    server: optionalText(text, o['server']),
  }
}

function parseCurrent(text: string, value: unknown): SnapshotProgress['current'] {
  if (value === null) return null
  const o = object(text, value)
  const table = o['table']
  const key = o['key']
  if (typeof table !== 'string') throw bad(text)
  if (key !== null && !(Array.isArray(key) && key.every((k) => typeof k === 'string'))) throw bad(text)
  return { table, start: pointField(text, o['start']), key: key as string[] | null }
}

function parseMap(text: string, value: unknown): Map<string, Point> {
  return new Map(Object.entries(object(text, value)).map(([k, v]) => [k, pointField(text, v)]))
}

function printMap(map: ReadonlyMap<string, Point>): Record<string, string> {
  return Object.fromEntries([...map].map(([k, v]) => [k, printPoint(v)]))
}

function pointField(text: string, value: unknown): Point {
  const point = typeof value === 'string' ? parsePoint(value) : null
  if (point === null) throw bad(text)
  return point
}

function numberField(text: string, value: unknown): number {
  if (typeof value !== 'number' || !Number.isSafeInteger(value) || value < 0) throw bad(text)
  return value
}

function optionalText(text: string, value: unknown): string | null {
  if (value === undefined || value === null) return null
  if (typeof value !== 'string') throw bad(text)
  return value
}

function object(text: string, value: unknown): Record<string, unknown> {
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw bad(text)
  return value as Record<string, unknown>
}

function parseJson(text: string, json: string): unknown {
  try {
    return JSON.parse(json)
  } catch (e) {
    throw bad(text, e)
  }
}

function bad(text: string, cause?: unknown): Failure {
  return new Failure('TRB-MY-022', { text }, cause)
}
