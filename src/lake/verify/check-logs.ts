import { historyStart, pendingInstants } from '../../../timeline/view.ts'
import type { FileSlice } from '../../contract/slice.ts'
import { LogReader } from '../../format/hudi-log/reader.ts'
import type { TimelineStore } from '../timeline-store.ts'
import type { History } from './check-timeline.ts'
import type { Violations } from './violation.ts'

/**
 * I4 and I8 inside log files: each block is of a completed write, of one at work, or undone by a rollback block of its slice. Bytes that are no block are
 * told, too: readers pass them over, so they are harmless unless a completed write had put rows there, which its row count shows.
 */
export async function checkLogs(ts: TimelineStore, history: History, slices: readonly FileSlice[], found: Violations): Promise<void> {
  const start = historyStart(ts.timeline)
  const pending = new Set(pendingInstants(ts.timeline).map((i) => i.time))
  for (const slice of slices) {
    const undone = new Set<string>()
    const blocks: { readonly file: string; readonly instant: string }[] = []
    for (const log of slice.logs) {
      for await (const b of new LogReader(ts.store, log.key, log.bytes).blocks()) {
        if (b.kind === 'damaged') {
          const at = { file: log.key, ...(b.instant === null ? {} : { instant: b.instant }) }
          found.add('format', `from byte ${b.at} on it holds no block: ${b.problem}`, at, DAMAGED)
        } else if (b.type === 'command') undone.add(b.header.get('target') ?? '')
        else blocks.push({ file: log.key, instant: b.header.get('instant') ?? '' })
      }
    }
    for (const { file, instant } of blocks) {
      const known = history.commits.has(instant) || history.archived.has(instant) || pending.has(instant) || undone.has(instant)
      if (known || instant < history.oldest) continue
      const counts = start !== null && instant < start
      const what = counts
        ? 'readers count a block of a write that never completed'
        : 'a failed write has left a block, and nothing undoes it'
      found.add(counts ? 'I4' : 'I8', what, { file, instant }, 'Compact the file group before the archive moves past the instant.')
    }
  }
}

const DAMAGED = 'Compare with a backup; if its instant had completed, its rows must be written again from the source.'
