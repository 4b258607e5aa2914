import type { ObjectStore } from '../../contract/object-store.ts'
import type { LogFile } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import type { DamagedBytes, LogBlock } from '../../format/hudi-log/block.ts'
import { LogReader, WHOLE_BYTES } from '../../format/hudi-log/reader.ts'

/** A block whose rows count, with the reader of its file. */
export interface CountingBlock {
  readonly reader: LogReader
  readonly block: LogBlock
  readonly instant: string
}

interface Damage {
  readonly reader: LogReader
  readonly bytes: DamagedBytes
  /** Number of blocks before it. */
  readonly after: number
}

interface Rollback {
  readonly target: string
  /** Number of blocks before it. */
  readonly after: number
}

/** Log files that are looked at together. */
const AT_ONCE = 8
/** Bytes of log files that stay in memory from the look at their blocks to the reading of their rows, so that a small file is fetched once. */
const KEEP_BYTES = 32 << 20

/**
 * The data and delete blocks of a slice that count, in the order in which they are merged (spec hudi §4.4):
 * blocks of instants that are visible and not taken back by a later rollback block; a block of log compaction stands where the newest block
 * that it replaces stood. Bytes that are no block are passed over only when they are what an unfinished or rolled-back instant left behind;
 * else they fail with TRB-LAKE-020.
 */
export async function countingBlocks(
  store: Pick<ObjectStore, 'range'>,
  logs: readonly LogFile[],
  visible: (instant: string) => boolean,
): Promise<CountingBlock[]> {
  return (await scannedBlocks(store, logs, visible)).counting
}

/** The same, with the number of all blocks of the files, whatever they are: what Hudi's statistics tell of a merge. */
export async function scannedBlocks(
  store: Pick<ObjectStore, 'range'>,
  logs: readonly LogFile[],
  visible: (instant: string) => boolean,
): Promise<{ readonly counting: CountingBlock[]; readonly total: number }> {
  const blocks: CountingBlock[] = []
  const rollbacks: Rollback[] = []
  const damages: Damage[] = []
  let kept = 0
  for (let i = 0; i < logs.length; i += AT_ONCE) {
    const files = await Promise.all(logs.slice(i, i + AT_ONCE).map((log) => scan(store, log)))
    for (const { reader, parts } of files) {
      kept += Math.min(reader.size, WHOLE_BYTES)
      if (kept > KEEP_BYTES) reader.release()
      for (const part of parts) {
        if (part.kind === 'damaged') damages.push({ reader, bytes: part, after: blocks.length })
        else if (part.type === 'command') rollbacks.push({ target: targetOf(reader, part), after: blocks.length })
        else blocks.push({ reader, block: part, instant: instantOf(reader, part) })
      }
    }
  }
  for (const d of damages) refuseDamage(d, blocks, rollbacks, visible)
  const counts = blocks.filter((b, i) => visible(b.instant) && !rollbacks.some((r) => r.after > i && r.target === b.instant))
  return { counting: inPlaceOfCompacted(counts), total: blocks.length + rollbacks.length + damages.length }
}

async function scan(store: Pick<ObjectStore, 'range'>, log: LogFile): Promise<{ reader: LogReader; parts: (LogBlock | DamagedBytes)[] }> {
  const reader = new LogReader(store, log.key, log.bytes)
  const parts: (LogBlock | DamagedBytes)[] = []
  for await (const part of reader.blocks()) parts.push(part)
  return { reader, parts }
}

function instantOf(reader: LogReader, block: LogBlock): string {
  const instant = block.header.get('instant')
  if (block.type === 'cdc') throw new Failure('TRB-LAKE-021', { file: reader.key, what: 'change data among the rows' })
  if (instant === undefined) throw damaged(reader, block.at, 'a block does not say which instant wrote it')
  return instant
}

function targetOf(reader: LogReader, block: LogBlock): string {
  const command = block.header.get('command')
  const target = block.header.get('target')
  if (command !== '0') throw new Failure('TRB-LAKE-021', { file: reader.key, what: `the command ${command ?? 'without a number'}` })
  if (target === undefined) throw damaged(reader, block.at, 'a rollback block does not say what it rolls back')
  return target
}

/**
 * Bytes of an instant that can be told matter when the instant counts. When it cannot be told, a later rollback of an instant of which there is no
 * block before the bytes explains them: each such rollback is in a file of its own, for each file group that the broken-off write had touched.
 */
function refuseDamage(d: Damage, blocks: readonly CountingBlock[], rollbacks: readonly Rollback[], visible: (i: string) => boolean): void {
  const { instant, at, problem } = d.bytes
  const later = rollbacks.filter((r) => r.after >= d.after)
  if (instant !== null) {
    if (!visible(instant) || later.some((r) => r.target === instant)) return
  } else if (later.some((r) => !blocks.slice(0, r.after).some((b) => b.instant === r.target))) return
  throw damaged(d.reader, at, problem)
}

/** Puts blocks of log compaction where the newest block that they replace was; those that they replace go. */
function inPlaceOfCompacted(blocks: readonly CountingBlock[]): CountingBlock[] {
  if (!blocks.some((b) => b.block.header.has('compacted'))) return [...blocks]
  const groups = new Map<string, CountingBlock[]>()
  for (const b of blocks) {
    const group = groups.get(b.instant)
    if (group === undefined) groups.set(b.instant, [b])
    else group.push(b)
  }
  /** Instant → the one whose blocks stand for it. */
  const replacedBy = new Map<string, string>()
  const order: string[] = []
  const placed = new Set<string>()
  const place = (instant: string): void => {
    if (!placed.has(instant)) order.push(instant)
    placed.add(instant)
  }
  for (const [instant, group] of [...groups].reverse()) {
    const final = replacedBy.get(instant) ?? instant
    const times =
      group
        .find((b) => b.block.header.has('compacted'))
        ?.block.header.get('compacted')
        ?.split(',') ?? []
    for (const t of times) replacedBy.set(t, final)
    // where nothing of what it replaces is left, it stands in its own place
    if (!times.some((t) => groups.has(t))) place(final)
  }
  return order.reverse().flatMap((instant) => groups.get(instant)!)
}

function damaged(reader: LogReader, at: number, problem: string): Failure {
  return new Failure('TRB-LAKE-020', { file: reader.key, at, problem })
}
