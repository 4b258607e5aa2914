import { readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { gunzipSync, gzipSync } from 'node:zlib'
import { root } from '../../tidy/tree.ts'
import type { SchemaPair, Verdict } from './oracle.ts'

const FILE = join(root, 'test/golden/registry/avro-verdicts.jsonl.gz')

export type RecordedVerdict = SchemaPair & { readonly verdict: Verdict }

/** Pairs and what Java's Avro 1.12.2 said of them. */
export function recordedVerdicts(): readonly RecordedVerdict[] {
  const lines = gunzipSync(readFileSync(FILE)).toString('utf8').trimEnd().split('\n')
  return lines.map((l) => JSON.parse(l) as RecordedVerdict)
}

export function recordVerdicts(pairs: readonly RecordedVerdict[]): void {
  writeFileSync(FILE, gzipSync(pairs.map((p) => `${JSON.stringify(p)}\n`).join('')))
}
