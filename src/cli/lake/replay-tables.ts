import { mkdir } from 'node:fs/promises'
import { join, resolve } from 'node:path'
import { nextInstant } from '../../../timeline/instant.ts'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { ScanPlan } from '../../contract/table-reader.ts'
import { createRowDecoder, decodeRows } from '../../envelope/row-decoder.ts'
import { assert, isFailure } from '../../failure/failure.ts'
import { evolvedColumns } from '../../lake/merge/fit.ts'
import { mergeRulesOf } from '../../lake/read/merge-rules.ts'
import { sliceChanges } from '../../lake/read/slice-changes.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import { materialise } from '../../lake/write/materialise.ts'
import { type ReplayLog, replayBatches, type TopicReplay } from '../../query/replay.ts'
import type { TableFiles } from '../../query/table-source.ts'
import { DiskStore } from '../../storage/disk/disk-store.ts'
import { openStateForReading } from '../state.ts'
import { isAddedColumn } from './lake-state.ts'
import type { OpenLake } from './open-lake.ts'
import { LOG_MEMORY } from './table-files.ts'

/** Changes held in memory while they are merged; more goes to the scratch directory. */
const MEMORY_BUDGET = 64 << 20
/** For changes of keys of rows whose large values the log does not repeat: they are merged in memory as a whole. */
const WHOLE_REPLAY_BYTES = 1 << 30
const ROW_GROUP_BYTES = 32 << 20

/** The embedded log, opened for reading, and what applies its records to the files of a table. */
export interface LogHandle {
  readonly log: ReplayLog
  /** `schema.table` of a topic; null: the topic holds no rows of a table. */
  tableOf(topic: string): string | null
  apply(lake: OpenLake, plan: ScanPlan, records: TopicReplay, scratch: string): Promise<AppliedPlan>
  close(): void
}

export interface AppliedPlan {
  readonly plan: ScanPlan
  /** Files of the lake that no record touches, and merged ones in the scratch directory. */
  readonly files: TableFiles
}

/** Fails with TRB-LOG-007 when `directory` holds no log. A writer may be running. */
export function openLog(directory: string, clock: Clock): LogHandle {
  const state = openStateForReading(directory)
  return {
    log: state.log,
    tableOf(topic) {
      const info = state.topicTables.get(topic)
      return info === null ? null : `${info.table.schema}.${info.table.table}`
    },
    apply: (lake, plan, records, scratch) => applyRecords(state, clock, lake, plan, records, scratch),
    close: () => state.close(),
  }
}

async function applyRecords(
  state: ReturnType<typeof openStateForReading>,
  clock: Clock,
  lake: OpenLake,
  plan: ScanPlan,
  records: TopicReplay,
  scratch: string,
): Promise<AppliedPlan> {
  const texts = new Map<number, string>()
  for (const { keySchema, valueSchema } of records.schemas) {
    for (const id of [keySchema, valueSchema]) if (id !== 0 && !texts.has(id)) texts.set(id, await state.registry.schema(id))
  }
  const schema = (id: number): string => {
    const text = texts.get(id)
    assert(text !== undefined, 'the plan of a replay names every schema of its records')
    return text
  }
  const shapes = records.schemas
    .filter((s) => s.valueSchema !== 0)
    .map((s) => createRowDecoder({ keySchema: s.keySchema === 0 ? null : schema(s.keySchema), valueSchema: schema(s.valueSchema) }))
  const merged = join(scratch, 'merged')
  const scratchDir = join(scratch, 'work')
  await mkdir(scratchDir, { recursive: true })
  const out = new DiskStore(merged, clock)
  const instant = nextInstant(clock.now(), plan.instant)
  const evolved = (now: readonly LakeColumn[], shape: { readonly columns: readonly LakeColumn[] }): readonly LakeColumn[] =>
    evolvedColumns(plan.spec.path, now, shape.columns, isAddedColumn)
  const columns = shapes.reduce(evolved, plan.columns)
  const rules = mergeRulesOf(await new TimelineStore(lake.store, plan.spec.path, clock).properties(), plan.spec.path)
  const merge = (memoryBudget: number): ReturnType<typeof materialise> => {
    const changes = (async function* () {
      yield* sliceChanges(lake.store, plan, rules, { bytes: LOG_MEMORY, directory: scratchDir, name: `logs-${clock.uuid()}` })
      yield* decodeRows(replayBatches(state.log, records), { schema, from: records.from })
    })()
    return materialise(lake.store, plan, columns, changes, out, instant, {
      clock,
      scratchDir,
      memoryBudget,
      rowGroupBytes: ROW_GROUP_BYTES,
    })
  }
  const result = await merge(MEMORY_BUDGET).catch((e: unknown) => {
    if (!isFailure(e, 'TRB-LAKE-407')) throw e
    return merge(WHOLE_REPLAY_BYTES)
  })
  const files = [...result.kept, ...result.written]
  const whole = [...result.kept.map((f) => lake.files.path(f.key)), ...result.written.map((f) => resolve(merged, f.key))]
  const slices = files.map((f) => ({ partition: f.partition, fileId: f.fileId, baseInstant: f.instant, base: f, logs: [] }))
  return { plan: { ...plan, columns: result.columns, files, slices }, files: { whole, merged: [] } }
}
