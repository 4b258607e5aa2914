import { mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { Failure } from '../../failure/failure.ts'

/** Where `cdc tail --state` goes on. */
export interface TailState {
  readonly slot: string
  /** Position of the source after the last whole batch; null: inside the snapshot, which then starts anew. */
  readonly position: string | null
  /** Records after `position` that were printed already. */
  readonly skip: number
  /** Counters of the transaction open at `position` (EnvelopeEncoder.state). */
  readonly encoder: string | null
  /** LSN of the last change printed, for `source.sequence` and `lsn_proc`. */
  readonly lastPlace: string | null
  /** End of the last commit seen, for `lsn_commit`; null before the first. */
  readonly commitEnd: string | null
}

/** The state of this slot, or null on the first start. Fails with TRB-ENV-008. */
export function readTailState(dir: string, slot: string): TailState | null {
  const file = join(dir, 'tail.json')
  let text: string
  try {
    text = readFileSync(file, 'utf8')
  } catch (e) {
    if ((e as NodeJS.ErrnoException).code === 'ENOENT') return null
    throw new Failure('TRB-ENV-008', { file, reason: String((e as NodeJS.ErrnoException).code) }, e)
  }
  const state = parse(file, text)
  if (typeof state !== 'object' || state === null || !('position' in state) || !('skip' in state)) {
    throw new Failure('TRB-ENV-008', { file, reason: 'it is no saved position' })
  }
  const s = state as TailState
  if (s.slot !== slot) throw new Failure('TRB-ENV-008', { file, reason: `it belongs to slot ${s.slot}, not ${slot}` })
  return s
}

/** Replaces the file in one step. */
export function writeTailState(dir: string, state: TailState): void {
  mkdirSync(dir, { recursive: true })
  const file = join(dir, 'tail.json')
  writeFileSync(`${file}.new`, JSON.stringify(state), { flush: true })
  renameSync(`${file}.new`, file)
}

function parse(file: string, text: string): unknown {
  try {
    return JSON.parse(text)
  } catch (e) {
    throw new Failure('TRB-ENV-008', { file, reason: 'it is not JSON' }, e)
  }
}
