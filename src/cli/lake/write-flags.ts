import { Failure } from '../../failure/failure.ts'
import type { ConcurrencyFlagValues } from '../concurrency-flags.ts'
import type { S3FlagValues } from '../s3-flags.ts'
import type { ContextWith } from '../verb.ts'
import type { InputFormat } from './write-input.ts'

export type WriteFlags = {
  readonly op: 'upsert' | 'insert' | 'bulk_insert' | 'delete' | 'insert_overwrite' | 'insert_overwrite_table' | 'delete_partition'
  readonly input: string | null
  readonly 'input-format': InputFormat | null
  readonly key: readonly string[]
  readonly partition: string | null
  readonly ordering: string | null
  readonly types: string | null
  readonly partitions: readonly string[]
  readonly 'table-type': 'cow' | 'mor' | null
  readonly 'table-version': '6' | '9' | null
  readonly 'log-blocks': 'parquet' | 'avro'
  readonly 'log-file-size': number
  readonly name: string | null
  readonly buckets: number
  readonly cdc: 'off' | 'op_key_only' | 'data_before' | 'data_before_after'
  readonly sort: readonly string[]
  readonly memory: number
} & S3FlagValues &
  ConcurrencyFlagValues

export type WriteContext = ContextWith<WriteFlags>

/** Flags that contradict each other, or the op: TRB-CLI-004 and 005. */
export function checkFlags(context: WriteContext): void {
  const { command, flags } = context
  const refuse = (flag: string, value: string, expected: string): never => {
    throw new Failure('TRB-CLI-004', { command, where: `--${flag}`, value: JSON.stringify(value), expected })
  }
  if (flags.sort.length > 0 && flags.op !== 'bulk_insert') refuse('sort', flags.sort.join(','), `no such flag with --op ${flags.op}`)
  if (flags.op === 'delete_partition') {
    if (flags.input !== null) refuse('input', flags.input, 'no input with --op delete_partition: --partitions names what goes')
    if (flags.partitions.length === 0) throw new Failure('TRB-CLI-005', { command, what: '--partitions', env: 'TRIBUTARY_PARTITIONS' })
    return
  }
  if (flags.partitions.length > 0) refuse('partitions', flags.partitions.join(','), `no such flag with --op ${flags.op}`)
  if (flags.input === null) throw new Failure('TRB-CLI-005', { command, what: '--input', env: 'TRIBUTARY_INPUT' })
}
