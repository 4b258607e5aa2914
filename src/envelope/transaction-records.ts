import type { StoredBatch } from '../contract/log.ts'
import { isFailure } from '../failure/failure.ts'
import { type AvroNode, nonNull, parseAvroSchema } from '../format/avro/avro-node.ts'
import { compileSkip } from '../format/avro/skip.ts'
import { ByteCursor } from '../format/bytes/cursor.ts'
import { JsonScanner, NotJson } from '../format/json/json-scanner.ts'
import { RecordReader } from '../format/record-batch/reader.ts'
import { isJsonObject, type JsonValue, parseExactJson } from './exact-json.ts'

/** A record of Debezium's transaction topic. */
export interface TransactionMark {
  readonly offset: number
  readonly status: 'BEGIN' | 'END'
  /** As it is written: of Postgres `xid:lsn`, of MySQL a GTID or `file=…,pos=…`. */
  readonly id: string
  readonly tsMs: number
  /** Events by `schema.table`, of an END. */
  readonly collections: ReadonlyMap<string, number>
}

/** The transaction of a change whose producer does not say any (one without provide.transaction.metadata). */
export const UNTOLD = ''

/** Hears of each record of a table's topic: its transaction (null: it is a snapshot's, which belongs to none) and its place among the table's. */
export type SeeRecord = (offset: number, id: string | null, order: number) => void

/** What a batch is that has records without a field for the transaction (flattened, of another program). */
export class Untold extends Error {}

/** Op of a row of a snapshot. */
const READ = 'r'

interface Found {
  id: string | null
  order: number
  op: string
}

/** Leaves the record's transaction (id null: none), its order in it, and its op behind. */
type Finder = (c: ByteCursor, found: Found) => void

/**
 * What Debezium says of transactions with `provide.transaction.metadata` (spec debezium §1.3): marks in a topic of their own, and in every
 * event `transaction: {id, total_order, data_collection_order}`; in Avro with a registry, or JSON with or without schemas.
 */
export class TransactionRecords {
  readonly #schema: (id: number) => Promise<string>
  readonly #finders = new Map<number, Finder | null>()
  readonly #marks = new Map<number, AvroNode>()
  readonly #reader = new RecordReader()
  readonly #cursor = new ByteCursor()
  readonly #found: Found = { id: null, order: 0, op: '' }

  constructor(schema: (id: number) => Promise<string>) {
    this.#schema = schema
  }

  /** Marks of a batch of the transaction topic; what is no mark is left out. */
  async marks(batch: StoredBatch): Promise<TransactionMark[]> {
    const r = this.#reader
    const out: TransactionMark[] = []
    const node = batch.valueSchema > 0 ? await this.#markNode(batch.valueSchema) : null
    r.open(batch.records, batch.count)
    while (r.next()) {
      if (r.valueStart < 0) continue
      const offset = batch.baseOffset + r.index
      const value = node === null ? jsonPayload(r.buf.toString('utf8', r.valueStart, r.valueEnd)) : this.#avroValue(node, r)
      const mark = markOf(offset, value)
      if (mark !== null) out.push(mark)
    }
    return out
  }

  /**
   * Every record of a batch of a table's topic; a tombstone belongs to what is before it and is left out. What cannot be read belongs to no
   * transaction: whoever reads the record for its row says what is wrong with it. Throws Untold.
   */
  async see(batch: StoredBatch, seen: SeeRecord): Promise<void> {
    const find = await this.#find(batch.valueSchema)
    const r = this.#reader
    const found = this.#found
    r.open(batch.records, batch.count)
    while (r.next()) {
      if (r.valueStart < 0) continue
      found.id = null
      found.order = 0
      found.op = READ
      if (!find(r, found)) throw new Untold()
      seen(batch.baseOffset + r.index, found.id ?? (found.op === READ ? null : UNTOLD), found.order)
    }
  }

  async #find(valueSchema: number): Promise<(r: RecordReader, found: Found) => boolean> {
    if (valueSchema <= 0) return inJson
    const finder = await this.#finder(valueSchema)
    if (finder === 'unreadable') return () => true
    return (r, found) => {
      if (finder === null) return false
      this.#cursor.reset(r.buf, r.valueStart + 5, r.valueEnd)
      try {
        finder(this.#cursor, found)
      } catch (_unreadable) {
        found.id = null
      }
      return true
    }
  }

  async #markNode(id: number): Promise<AvroNode> {
    let node = this.#marks.get(id)
    if (node === undefined) {
      node = parseAvroSchema(await this.#schema(id))
      this.#marks.set(id, node)
    }
    return node
  }

  async #finder(id: number): Promise<Finder | null | 'unreadable'> {
    let finder = this.#finders.get(id)
    if (finder === undefined) {
      try {
        finder = compileFinder(parseAvroSchema(await this.#schema(id)))
      } catch (e) {
        // A registry that does not answer is another matter.
        if (isFailure(e, 'TRB-INGEST-010') || (isFailure(e) && e.entry.retry === 'timed')) throw e
        return 'unreadable'
      }
      this.#finders.set(id, finder)
    }
    return finder
  }

  #avroValue(node: AvroNode, r: RecordReader): JsonValue {
    const c = this.#cursor
    c.reset(r.buf, r.valueStart + 5, r.valueEnd)
    return avroToJson(node, c)
  }
}

/**
 * A transaction by what all of its records share: Postgres writes the LSN of the event behind the xid (`2209:477260440`), another one in
 * every event.
 */
export function transactionKey(id: string): string {
  return /^\d+:\d+$/.test(id) ? id.slice(0, id.indexOf(':')) : id
}

/** Position of the source at the end of a transaction, as watermarks print it (query/commit-order.ts); other sources' ids stay what they are. */
export function commitOfTransaction(id: string): string {
  const lsn = /^\d+:(\d{1,20})$/.exec(id)?.[1]
  if (lsn !== undefined) {
    const n = BigInt(lsn)
    return `${(n >> 32n).toString(16).toUpperCase()}/${(n & 0xffffffffn).toString(16).toUpperCase()}`
  }
  const file = /^file=([^,]+),pos=(\d+)$/.exec(id)
  if (file !== null) return `${file[1]}:${file[2]}+`
  // A GTID without a place in a file: it compares with `gtid:`, and nothing else does.
  return /^[0-9a-f-]{36}:.*\d$|^\d+-\d+-\d+$/i.test(id) ? `/${id}` : id
}

/** Null: the schema has no field for it. */
function compileFinder(value: AvroNode): Finder | null {
  if (value.kind !== 'record') return null
  const at = value.fields.findIndex((f) => f.name === 'transaction')
  if (at < 0) return null
  const { node, nullBranch } = nonNull(value.fields[at]!.node)
  if (node.kind !== 'record') return null
  const parts = node.fields.map((f) => ({ name: f.name, skip: compileSkip(f.node), kind: f.node.kind }))
  const fields = value.fields.map((f) => ({ name: f.name, skip: compileSkip(f.node), kind: f.node.kind }))
  const last = Math.max(
    at,
    fields.findIndex((f) => f.name === 'op'),
  )
  const transaction: Finder = (c, found) => {
    if (nullBranch >= 0 && c.zigzag32() === nullBranch) return
    for (const { name, skip, kind } of parts) {
      if (name === 'id' && kind === 'string') found.id = text(c)
      else if (name === 'data_collection_order' && (kind === 'long' || kind === 'int')) found.order = c.zigzagNumber()
      else skip(c)
    }
  }
  return (c, found) => {
    for (let i = 0; i <= last; i++) {
      const { name, skip, kind } = fields[i]!
      if (i === at) transaction(c, found)
      else if (name === 'op' && kind === 'string') found.op = text(c)
      else skip(c)
    }
  }
}

function text(c: ByteCursor): string {
  const n = c.length()
  const from = c.pos
  c.skip(n)
  return c.buf.toString('latin1', from, c.pos)
}

function inJson(r: RecordReader, found: Found): boolean {
  try {
    return findInJson(new JsonScanner(r.buf, r.valueStart, r.valueEnd), found)
  } catch (e) {
    if (!(e instanceof NotJson)) throw e
    found.id = null
    return true
  }
}

/** False: the record has no such field. */
function findInJson(scanner: JsonScanner, found: Found): boolean {
  if (scanner.kind() !== 'object') return false
  let has = false
  scanner.object((name) => {
    if (name === 'payload' && scanner.kind() === 'object') has = findInJson(scanner, found) || has
    else if (name === 'op' && scanner.kind() === 'string') found.op = scanner.string()
    else if (name !== 'transaction') scanner.skip()
    else {
      has = true
      if (scanner.kind() !== 'object') scanner.skip()
      else
        scanner.object((part) => {
          if (part === 'id' && scanner.kind() === 'string') found.id = scanner.string()
          else if (part === 'data_collection_order') found.order = Number(scanner.raw())
          else scanner.skip()
        })
    }
  })
  return has
}

function jsonPayload(text: string): JsonValue {
  const json = parseExactJson(text) ?? null
  return isJsonObject(json) && 'payload' in json && 'schema' in json ? (json['payload'] ?? null) : json
}

/** Of the kinds of value that a mark has; others are null. */
function avroToJson(node: AvroNode, c: ByteCursor): JsonValue {
  switch (node.kind) {
    case 'union':
      return avroToJson(node.branches[c.zigzag32()]!, c)
    case 'record':
      return Object.fromEntries(node.fields.map((f) => [f.name, avroToJson(f.node, c)]))
    case 'string': {
      const n = c.length()
      const text = c.buf.toString('utf8', c.pos, c.pos + n)
      c.skip(n)
      return text
    }
    case 'int':
    case 'long':
      return BigInt(c.zigzagNumber())
    case 'array': {
      const out: JsonValue[] = []
      for (let n = c.zigzag32(); n !== 0; n = c.zigzag32()) {
        if (n < 0) c.length()
        for (let i = 0; i < Math.abs(n); i++) out.push(avroToJson(node.items, c))
      }
      return out
    }
    default:
      compileSkip(node)(c)
      return null
  }
}

function markOf(offset: number, value: JsonValue): TransactionMark | null {
  if (!isJsonObject(value)) return null
  const { status, id } = value
  if ((status !== 'BEGIN' && status !== 'END') || typeof id !== 'string') return null
  const listed = Array.isArray(value['data_collections']) ? value['data_collections'] : []
  const collections = new Map<string, number>()
  for (const c of listed) {
    if (isJsonObject(c) && typeof c['data_collection'] === 'string') collections.set(c['data_collection'], Number(c['event_count'] ?? 0))
  }
  return { offset, status, id, tsMs: Number(value['ts_ms'] ?? 0), collections }
}
