import type { RowChanges } from '../../src/contract/columns.ts'
import type { Checkpoint, Staged, TableSpec, TableWriter } from '../../src/contract/table.ts'
import type { FeedLake } from '../../src/pipeline/feed-lake.ts'

/** A table that several writers commit to: what counts is what the merge of each commit says at that moment. */
export class SharedTable {
  readonly commits: { readonly ids: readonly number[]; readonly checkpoint: Checkpoint }[] = []
  spec: TableSpec | null = null
  /** Runs when a writer has staged and not committed yet: another process has its chance. */
  between: (() => Promise<void>) | null = null

  get lake(): FeedLake {
    const open = async (): Promise<TableWriter | null> => (this.spec === null ? null : this.writer(this.spec))
    const create = async (spec: TableSpec): Promise<TableWriter> => {
      this.spec ??= spec
      return this.writer(this.spec)
    }
    return { root: 'shared', pathOf: () => 'p/public/t', open, create } as unknown as FeedLake
  }

  get ids(): number[] {
    return this.commits.flatMap((c) => c.ids)
  }

  private writer(spec: TableSpec): TableWriter {
    const staged = new Map<Staged, number[]>()
    return {
      spec,
      checkpoint: async () => this.commits.at(-1)?.checkpoint ?? null,
      instant: async () => String(this.commits.length),
      evolve: async () => undefined,
      stage: async (changes) => {
        const ids: number[] = []
        for await (const chunk of changes as AsyncIterable<RowChanges>) {
          const v = chunk.vectors[0]!
          for (let i = 0; i < chunk.count; i++) if (v.kind === 'fixed') ids.push(v.data.readInt32LE(i * 4))
        }
        const done = { instant: String(this.commits.length + 1), counts: { inserted: ids.length, updated: 0, deleted: 0 } }
        staged.set(done, ids)
        const others = this.between
        this.between = null
        await others?.()
        return done
      },
      commit: async (s, checkpoint) => {
        const merged = typeof checkpoint === 'function' ? checkpoint(this.commits.at(-1)?.checkpoint ?? null) : checkpoint
        if (merged === null) return 'conflict'
        this.commits.push({ ids: staged.get(s)!, checkpoint: merged })
        return 'committed'
      },
      abandon: async () => undefined,
    }
  }
}
