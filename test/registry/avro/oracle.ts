import { spawn } from 'node:child_process'
import { join } from 'node:path'
import { incompatibilities } from '../../../src/registry/avro/compatibility.ts'
import { SchemaError } from '../../../src/registry/avro/json.ts'
import { parseSchema } from '../../../src/registry/avro/parse-schema.ts'
import type { AvroSchema } from '../../../src/registry/avro/schema.ts'
import { schemaText } from '../../../src/registry/avro/schema-text.ts'
import { root } from '../../tidy/tree.ts'

export interface SchemaPair {
  readonly reader: string
  readonly writer: string
}

/** Texts as Java renders them, null when it takes one for no schema; issues null when there is none to compare. */
export interface Verdict {
  readonly reader: string | null
  readonly writer: string | null
  readonly issues: readonly { readonly kind: string; readonly path: string; readonly detail: string }[] | null
}

/** What Java's Avro says (test/services/AvroOracle.java). */
export async function javaVerdicts(pairs: readonly SchemaPair[]): Promise<readonly Verdict[]> {
  const child = spawn('bash', [join(root, 'test/services/registry.sh'), 'avro'], { stdio: ['pipe', 'pipe', 'inherit'] })
  const chunks: Buffer[] = []
  child.stdout.on('data', (c: Buffer) => chunks.push(c))
  const ended = new Promise<number>((resolve) => child.on('close', (code) => resolve(code ?? -1)))
  child.stdin.end(pairs.map((p) => `${JSON.stringify(p)}\n`).join(''))
  const code = await ended
  if (code !== 0) throw new Error(`the oracle ended with ${code}`)
  const lines = Buffer.concat(chunks).toString('utf8').trimEnd().split('\n')
  return lines.map((l) => JSON.parse(l) as Verdict)
}

/** What we say, in the same form. */
export function ourVerdict(pair: SchemaPair): Verdict {
  const [reader, writer] = [parsed(pair.reader), parsed(pair.writer)]
  const issues =
    reader === null || writer === null
      ? null
      : orNull(() => incompatibilities(reader, writer).map(({ kind, path, detail }) => ({ kind, path, detail })))
  return { reader: reader && schemaText(reader), writer: writer && schemaText(writer), issues }
}

function parsed(text: string): AvroSchema | null {
  return orNull(() => parseSchema(text))
}

function orNull<T>(work: () => T): T | null {
  try {
    return work()
  } catch (e) {
    if (e instanceof SchemaError) return null
    throw e
  }
}
