import type { ChangeBatch } from '../../contract/change.ts'
import type { LogCursor } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'
import { lsnOf, printLsn } from './lsn.ts'
import { parsePosition, printPosition } from './position.ts'

const MESSAGE_TYPES: Readonly<Record<number, string>> = { 99: 'INSERT', 117: 'UPDATE', 100: 'DELETE', 116: 'TRUNCATE', 109: 'MESSAGE' }

/**
 * Debezium's offset behind a batch (spec debezium §3.3, corrections A.6): a Debezium that starts from it goes on with the next change.
 * `before`: the offset behind the batch before, which knows the commit before a transaction that spans batches.
 */
export function debeziumOffset(batch: ChangeBatch, before: string | null): string {
  const run = batch.transactions.at(-1)
  // A batch without a transaction moves the position only.
  const us = run === undefined || run.commitUs === 0n ? (fieldOf(before, 'ts_usec') ?? '0') : String(run.commitUs)
  const id: [string, string][] = run?.xid === null || run === undefined ? [] : [['txId', String(run.xid)]]
  const at = parsePosition(batch.upTo)
  if (at.kind === 'snapshot') {
    const fields: [string, string][] = [
      ['last_snapshot_record', 'false'],
      ['lsn', String(at.progress.until)],
    ]
    return print([...fields, ...id, ['ts_usec', us], ['snapshot', '"INITIAL"'], ['snapshot_completed', 'false']])
  }
  if (at.done < 0) {
    const end = String(at.lsn + BigInt(at.tail))
    return print([['lsn_proc', end], ['messageType', '"COMMIT"'], ['lsn_commit', end], ['lsn', end], ...id, ['ts_usec', us]])
  }
  const last = batch.count - 1
  const place = last < 0 ? String(at.lsn) : String(lsnOf(batch.placeHi[last]!, batch.placeLo[last]!))
  const ended = batch.transactions.findLast((r) => r.ends)
  const commit = ended === undefined ? fieldOf(before, 'lsn_commit') : lsnText(ended.commitEnd ?? ended.commit)
  const type = MESSAGE_TYPES[batch.op[last] ?? 99] ?? 'INSERT'
  const fields: [string, string][] = [
    ['lsn_proc', place],
    ['messageType', `"${type}"`],
  ]
  if (commit !== null) fields.push(['lsn_commit', commit])
  return print([...fields, ['lsn', place], ...id, ['ts_usec', us]])
}

/** A position for a cursor that has no offset with it (another log wrote it): right at a transaction's end, else at its begin. */
export function offsetOfCursor(cursor: LogCursor): string {
  const at = parsePosition(cursor.at)
  const us = String(cursor.commitUs ?? 0n)
  if (at.kind === 'snapshot') return print([...SNAPSHOT_BEGUN, ['lsn', String(at.progress.until)], ['ts_usec', us]])
  const end = String(at.done < 0 ? at.lsn + BigInt(at.tail) : at.lsn)
  return print([
    ['lsn_proc', end],
    ['messageType', '"COMMIT"'],
    ['lsn_commit', end],
    ['lsn', end],
    ['ts_usec', us],
  ])
}

const SNAPSHOT_BEGUN: readonly [string, string][] = [
  ['snapshot', '"INITIAL"'],
  ['snapshot_completed', 'false'],
  ['last_snapshot_record', 'false'],
]

/**
 * The cursor that an offset of Debezium stands for. Its `lsn_commit` is the end of the last transaction that it has seen whole; of one it
 * was inside (it stores no offset at the end of a transaction that nothing follows) the changes come once more, which `repeats` says.
 * Fails with TRB-KAFKA-015.
 */
export function cursorOfOffset(text: string, source: string): { readonly cursor: LogCursor; readonly repeats: boolean } {
  const refuse = (detail: string, e?: unknown): Failure => new Failure('TRB-KAFKA-015', { what: 'the offset', detail, example: EXAMPLE }, e)
  let fields: Map<string, unknown>
  try {
    fields = parseOffset(text)
  } catch (e) {
    throw refuse('it is not a JSON object', e)
  }
  const snapshot = fields.get('snapshot')
  if (snapshot !== undefined && snapshot !== false && fields.get('snapshot_completed') !== true) {
    throw refuse('its snapshot is not complete: start without it (cdc offsets reset), so that the snapshot is taken anew')
  }
  const processed = fields.get('lsn_proc') ?? fields.get('lsn')
  const commit = fields.get('lsn_commit') ?? processed
  if (typeof commit !== 'bigint' || typeof processed !== 'bigint' || commit <= 0n) throw refuse('it has no lsn_commit, lsn_proc or lsn')
  const us = fields.get('ts_usec')
  const inside = processed > commit && fields.get('messageType') !== 'COMMIT'
  const cursor: LogCursor = {
    source,
    // Whatever has its commit record before this byte is done.
    at: printPosition({ kind: 'stream', lsn: commit - 1n, tail: 1, done: -1, catchUp: null }),
    boundary: true,
    commit: printLsn(commit - 1n),
    commitUs: typeof us === 'bigint' ? us : 0n,
    snapshotDone: [],
    consistent: true,
    offset: text,
  }
  return { cursor, repeats: inside }
}

const EXAMPLE = '{"lsn_proc":37124488,"messageType":"COMMIT","lsn_commit":37124488,"lsn":37124488,"ts_usec":1721901234567890}'

function parseOffset(text: string): Map<string, unknown> {
  // A long may be beyond what a JS number holds: taken from the text.
  const exact = (_key: string, value: unknown, context: { readonly source: string }): unknown =>
    typeof value === 'number' && /^-?\d+$/.test(context.source) ? BigInt(context.source) : value
  const value: unknown = JSON.parse(text, exact as Parameters<typeof JSON.parse>[1])
  if (typeof value !== 'object' || value === null || Array.isArray(value)) throw new Error('not an object')
  return new Map(Object.entries(value))
}

function fieldOf(offset: string | null, name: string): string | null {
  if (offset === null) return null
  const value = parseOffset(offset).get(name)
  return typeof value === 'bigint' ? String(value) : null
}

function lsnText(lsn: string): string {
  const [hi, lo] = lsn.split('/')
  return String((BigInt(`0x${hi}`) << 32n) | BigInt(`0x${lo}`))
}

/** Values are JSON texts already. */
function print(fields: readonly (readonly [string, string])[]): string {
  return `{${fields.map(([k, v]) => `${JSON.stringify(k)}:${v}`).join(',')}}`
}
