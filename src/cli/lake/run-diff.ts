import { Failure } from '../../failure/failure.ts'
import { rowObject } from '../../format/json/row-lines.ts'
import { diffStates } from '../../lake/read/state-diff.ts'
import { openStore } from '../open-store.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import type { ContextWith, Outcome } from '../verb.ts'
import { instantFlag } from './instant-flag.ts'

/** `lake diff`. */
export async function runDiff(
  context: ContextWith<{ readonly from: string; readonly to: string | null } & S3FlagValues>,
): Promise<Outcome> {
  const { command, flags, clock } = context
  const store = openStore(context.args[0]!, context)
  const from = instantFlag(command, 'from', flags.from, clock.now())
  const to = flags.to === null ? null : instantFlag(command, 'to', flags.to, clock.now())
  const diff = await diffStates(store, '', clock, from, to)
  const object = rowObject(diff.columns)
  const counts = { i: 0, u: 0, d: 0 }
  const kept: unknown[] = []
  for await (const { op, count, before, after } of diff.changes()) {
    context.signal.throwIfAborted()
    counts[op] += count
    let lines = ''
    for (let r = 0; r < count; r++) {
      const images = [before, after].map((x) => (x === null ? 'null' : object(x.vectors, r)))
      const line = `{"op":"${op}","before":${images[0]!},"after":${images[1]!}}`
      if (context.json) kept.push(JSON.parse(line))
      else lines += `${line}\n`
    }
    if (!context.json) await context.stdout.write(lines)
  }
  const total = counts.i + counts.u + counts.d
  const states = { from: diff.from, to: diff.to }
  const result = { ...states, inserted: counts.i, updated: counts.u, deleted: counts.d, changes: kept }
  const text = (instant: string | null): string => instant ?? 'the empty table'
  if (total === 0) {
    const summary = `no difference between ${text(diff.from)} and ${text(diff.to)}`
    if (!context.json) await context.stderr.write(`${summary}\n`)
    return { summary, result }
  }
  const details = { count: total, inserted: counts.i, updated: counts.u, deleted: counts.d }
  const failure = new Failure('TRB-LAKE-069', { table: store.root, from: text(diff.from), to: text(diff.to), ...details })
  return { summary: `${total} rows differ between ${text(diff.from)} and ${text(diff.to)}`, result, failure }
}
