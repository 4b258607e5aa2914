import { assert } from '../../failure/failure.ts'
import type { StateDatabase } from './database.ts'

/** Released records are kept until they are older than `maxAgeMs` or the log is larger than `maxBytes` (stored bytes). */
export interface Retention {
  readonly maxAgeMs: number
  readonly maxBytes: number
}

/** Work per call: pruning runs between appends and must not hold them up. */
const BATCHES_PER_CALL = 256
const VACUUM_PAGES = 512
/** Free pages kept for reuse before the file is shrunk. */
const FREE_PAGES_KEPT = 4096

/**
 * Deletes, oldest first, whole appends that are released and that age or size asks to delete; at most 256 batches a call.
 * The newest append of each source stays: it is the source's cursor. `held` is what the log stores now, in bytes.
 * Returns the bytes no longer stored.
 */
export function pruneLog(db: StateDatabase, released: number, held: number, retention: Retention, nowMs: number): number {
  const last = lastToDelete(db, released, held - retention.maxBytes, nowMs - retention.maxAgeMs)
  if (last === null) return 0
  const freed = db.transaction(() => deleteUpTo(db, last)).immediate()
  shrink(db)
  return freed
}

/** Bytes stored by all held appends. */
export function storedBytes(db: StateDatabase): number {
  return db.prepare('SELECT coalesce(sum(stored), 0) FROM appends').pluck().get() as number
}

/** The newest append that may go, null: none. */
function lastToDelete(db: StateDatabase, released: number, excessBytes: number, keptSinceMs: number): number | null {
  let excess = excessBytes
  const oldest = db.prepare('SELECT id, stored, created_ms AS created FROM appends WHERE id <= ? ORDER BY id LIMIT ?')
  let last: number | null = null
  for (const row of oldest.all(released, BATCHES_PER_CALL) as { id: number; stored: number; created: number }[]) {
    if (excess <= 0 && row.created > keptSinceMs) break
    excess -= row.stored
    last = row.id
  }
  return last
}

function deleteUpTo(db: StateDatabase, last: number): number {
  const rows = db.prepare('SELECT id, topic, base, count, append FROM batches WHERE id > 0 ORDER BY id LIMIT ?').all(BATCHES_PER_CALL)
  const remove = db.prepare('DELETE FROM batches WHERE id = ?')
  const move = db.prepare('UPDATE topics SET start = ? WHERE id = ? AND start <= ?')
  let firstKept: number | null = null
  for (const row of rows as { id: number; topic: number; base: number; count: number; append: number }[]) {
    if (row.append > last) {
      firstKept = row.append
      break
    }
    remove.run(row.id)
    const moved = move.run(row.base + row.count, row.topic, row.base)
    assert(moved.changes === 1, 'retention deletes the oldest offset of a topic first')
  }
  // More batches of old appends may remain for the next call: their append rows stay with them.
  const whole = firstKept !== null || rows.length < BATCHES_PER_CALL
  const upTo = whole ? last : (rows[rows.length - 1] as { append: number }).append - 1
  const old = 'FROM appends AS a WHERE id <= ? AND EXISTS (SELECT 1 FROM appends n WHERE n.source = a.source AND n.id > a.id)'
  const freed = db.prepare(`SELECT coalesce(sum(stored), 0) ${old}`).pluck().get(upTo) as number
  db.prepare(`DELETE ${old}`).run(upTo)
  return freed
}

function shrink(db: StateDatabase): void {
  const free = db.pragma('freelist_count', { simple: true }) as number
  const pages = db.pragma('page_count', { simple: true }) as number
  if (free > FREE_PAGES_KEPT && free * 4 > pages) db.pragma(`incremental_vacuum(${VACUUM_PAGES})`)
}
