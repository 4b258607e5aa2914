import { basename, dirname, join } from 'node:path'
import type { ObjectStore } from '../../contract/object-store.ts'
import { Failure, isFailure } from '../../failure/failure.ts'
import { LakeCatalog } from '../../lake/catalog.ts'
import { TimelineStore } from '../../lake/timeline-store.ts'
import { checkWatermarks, hasWatermarks } from '../../lake/verify/check-watermarks.ts'
import { verifyTable } from '../../lake/verify/verify-table.ts'
import { MOST_TOLD, NOTHING_WALKED, type Violation, Violations, type Walked } from '../../lake/verify/violation.ts'
import { openPlace, type Place, placeOf } from '../open-store.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import { countOf } from '../terminal/units.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { openTableUri } from './open-table-uri.ts'

/** Violations shown to people; --json has them all. */
const SHOWN = 100
/** A table of a lake lies this many directories below its root at most: database, schema, table. */
const DEEPEST = 4

type Verify = ContextWith<{ readonly rows: boolean } & S3FlagValues>

/** What has been looked at, and found. */
interface Seen {
  readonly name: string
  readonly walked: Walked
  readonly violations: Violation[]
  count: number
}

/** `lake verify`: of one table with the watermarks of the lake around it, or of a whole lake. */
export async function runVerify(context: Verify): Promise<Outcome> {
  const uri = context.args[0]!
  try {
    const ts = await openTableUri(uri, context)
    const seen: Seen = { name: ts.table, walked: { ...NOTHING_WALKED }, violations: [], count: 0 }
    await addTable(seen, ts, context.flags.rows)
    const around = await lakeAround(uri, context)
    if (around !== null) await addWatermarks(seen, around.store, context, around.path)
    return outcomeOf(seen, context.flags.rows)
  } catch (e) {
    if (!isFailure(e, 'TRB-LAKE-001')) throw e
    const store = openPlace(placeOf(uri, context), context.clock)
    const tables: string[] = []
    for await (const path of new LakeCatalog(store, context.clock).paths()) tables.push(path)
    if (tables.length === 0 && !(await hasWatermarks(store))) throw e
    const seen: Seen = { name: store.root, walked: { ...NOTHING_WALKED }, violations: [], count: 0 }
    for (const path of tables) await addTable(seen, new TimelineStore(store, path, context.clock), context.flags.rows)
    await addWatermarks(seen, store, context, null)
    return outcomeOf(seen, context.flags.rows, tables.length)
  }
}

async function addTable(seen: Seen, ts: TimelineStore, rows: boolean): Promise<void> {
  const { count, violations, walked } = await verifyTable(ts, rows)
  for (const name of Object.keys(NOTHING_WALKED) as (keyof Walked)[]) seen.walked[name] += walked[name]
  seen.violations.push(...violations)
  seen.count += count
}

/** `only`: the watermarks as far as they concern this table. */
async function addWatermarks(seen: Seen, store: ObjectStore, { clock }: Verify, only: string | null): Promise<void> {
  const found = new Violations(MOST_TOLD)
  await checkWatermarks(store, clock, only, found, seen.walked)
  seen.violations.push(...found.list)
  seen.count += found.count
}

/** The lake that a table is part of, and its path there; null: the directories above have no watermarks. */
async function lakeAround(uri: string, context: Verify): Promise<{ readonly store: ObjectStore; readonly path: string } | null> {
  const place = placeOf(uri, context)
  let at = (place.kind === 'disk' ? place.path : place.uri).replace(/(?<=[^/])\/+$/, '')
  let path = ''
  for (let n = 0; n < DEEPEST; n++) {
    const above = dirname(at)
    if (above === at || /^s3[an]?:\/*[^/]*$/i.test(at)) return null
    path = path === '' ? basename(at) : join(basename(at), path)
    at = above
    const store = openPlace(placeAt(place, above), context.clock)
    if (await hasWatermarks(store)) return { store, path }
  }
  return null
}

function placeAt(place: Place, path: string): Place {
  return place.kind === 'disk' ? { ...place, path } : { ...place, uri: path }
}

function outcomeOf({ name, walked, violations, count }: Seen, rows: boolean, tables?: number): Outcome {
  const parts = [
    ...(tables === undefined ? [] : [countOf(tables, 'table')]),
    countOf(walked.instants, 'instant'),
    countOf(walked.archived, 'archived one'),
    countOf(walked.files, 'file'),
    ...(rows ? [countOf(walked.rows, 'row')] : []),
    ...(walked.rewrites > 0 ? [`${countOf(walked.rewrites, 'rewrite')} compared`] : []),
    ...(walked.watermarks > 0 ? [countOf(walked.watermarks, 'watermark')] : []),
  ]
  const seen = parts.join(', ')
  const result = { table: name, walked, count, violations }
  if (count === 0) {
    const summary = `${name} is sound: ${seen}`
    return { summary, text: summary, result }
  }
  const summary = `${countOf(count, 'violation')} in ${name}: ${seen}`
  const more = count > SHOWN ? [`… and ${count - SHOWN} more (--json shows them)`] : []
  const text = [...violations.slice(0, SHOWN).map(describe), ...more, summary].join('\n')
  const failure = new Failure('TRB-LAKE-074', { table: name, count, first: violations[0]!.what })
  return { summary, text, result, failure }
}

function describe(v: Violation): string {
  const where = [v.instant === null ? '' : `instant ${v.instant}`, v.file ?? ''].filter((t) => t !== '').join(', ')
  return `✗ ${v.invariant}  ${v.what}${where === '' ? '' : `\n    at   ${where}`}\n    do   ${v.fix}`
}
