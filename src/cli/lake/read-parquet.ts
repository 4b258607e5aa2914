import { copyFile, rename, rm } from 'node:fs/promises'
import { dirname, join, resolve } from 'node:path'
import type { Clock } from '../../contract/clock.ts'
import type { LakeColumn } from '../../contract/columns.ts'
import type { RowChunk } from '../../contract/slice.ts'
import { Failure } from '../../failure/failure.ts'
import { ParquetWriter } from '../../format/parquet/writer.ts'
import { DiskStore } from '../../storage/disk/disk-store.ts'

/**
 * Writes rows into a Parquet file, which appears under its name, or replaces the one of that name, when it is whole. `scratch`: where it is
 * written before. Returns how many rows. TRB-QUERY-010 when the file cannot be made.
 */
export async function writeParquetFile(
  rows: AsyncIterable<RowChunk>,
  columns: readonly LakeColumn[],
  to: { readonly cwd: string; readonly output: string; readonly scratch: string; readonly clock: Clock; readonly signal: AbortSignal },
): Promise<number> {
  const store = new DiskStore(to.scratch, to.clock)
  const writer = new ParquetWriter(await store.writer('rows.parquet'), { root: 'rows', columns, codec: 'snappy' })
  let count = 0
  try {
    for await (const chunk of rows) {
      to.signal.throwIfAborted()
      if (chunk.count > 0) await writer.writeRowGroup(chunk.vectors, chunk.count)
      count += chunk.count
    }
    await writer.close(new Map())
  } catch (e) {
    await writer.abort()
    throw e
  }
  const file = resolve(to.cwd, to.output)
  const partial = join(dirname(file), `.${process.pid}.tributary-partial`)
  try {
    await copyFile(join(to.scratch, 'rows.parquet'), partial)
    await rename(partial, file)
  } catch (e) {
    throw new Failure('TRB-QUERY-010', { file: to.output, reason: (e as NodeJS.ErrnoException).code ?? String(e) }, e)
  } finally {
    await rm(partial, { force: true })
  }
  return count
}
