import { rowObject } from '../../format/json/row-lines.ts'
import { rowHistory } from '../../lake/read/row-history.ts'
import { openStore } from '../open-store.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import type { ContextWith, Outcome } from '../verb.ts'

/** `lake history`. */
export async function showHistory(context: ContextWith<{ readonly key: string } & S3FlagValues>): Promise<Outcome> {
  const store = openStore(context.args[0]!, context)
  const history = await rowHistory(store, '', context.clock, context.flags.key)
  const object = rowObject(history.columns)
  const kept: unknown[] = []
  let versions = 0
  let there = false
  for await (const { commit, row } of history.versions()) {
    context.signal.throwIfAborted()
    const op = row === null ? 'delete' : there ? 'update' : 'insert'
    there = row !== null
    const line = `{"commit":"${commit}","op":"${op}","row":${row === null ? 'null' : object(row.vectors, 0)}}`
    if (context.json) kept.push(JSON.parse(line))
    else await context.stdout.write(`${line}\n`)
    versions++
  }
  const reach = history.since === null ? 'no commit yet' : `files reach back to ${history.since}`
  const summary = `${versions} version${versions === 1 ? '' : 's'} of ${context.flags.key} in ${store.root}; ${reach}`
  if (!context.json) await context.stderr.write(`${summary}\n`)
  return { summary, result: { key: context.flags.key, since: history.since, versions: kept } }
}
