import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../contract/clock.ts'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { TableReader, WatermarkStore } from '../../contract/table.ts'
import { Failure } from '../../failure/failure.ts'
import { LakeCatalog } from '../../lake/catalog.ts'
import { decodeName } from '../../lake/layout/paths.ts'
import { LakeWatermarkStore } from '../../lake/watermark-store.ts'
import { DiskStore } from '../../storage/disk/disk-store.ts'

/** A lake opened for reading. */
export interface OpenLake {
  readonly store: ObjectStore
  readonly watermarks: WatermarkStore
  readonly catalog: LakeCatalog
  /** Absolute path of a store key, for DuckDB. */
  filePath(key: string): string
  reader(path: string): TableReader
}

/** The lake at `--lake`: a directory, or file:// and a path. s3:// is refused until its store is there. */
export function openLake(uri: string, cwd: string, clock: Clock, command: string): OpenLake {
  const root = lakeDirectory(uri, cwd, command)
  const store = new DiskStore(root, clock)
  const catalog = new LakeCatalog(store, clock)
  return {
    store,
    catalog,
    watermarks: new LakeWatermarkStore(store, clock),
    filePath: (key) => resolve(root, key),
    reader: (path) => catalog.reader(path),
  }
}

/** Directory that a `--lake` value names. */
export function lakeDirectory(uri: string, cwd: string, command: string): string {
  if (uri.startsWith('file://')) return fileURLToPath(uri)
  const scheme = /^([a-z][a-z0-9+.-]+):\/\//i.exec(uri)?.[1]
  if (scheme !== undefined) {
    throw new Failure('TRB-CLI-004', {
      command,
      where: '--lake',
      value: JSON.stringify(uri),
      expected: 'a directory (s3:// comes in a later release)',
    })
  }
  return resolve(cwd, uri)
}

/** Schema and name under which SQL knows a table: the last two segments of its path. */
export function nameOfPath(path: string): { readonly schema: string; readonly table: string } {
  const parts = path.split('/').map(decodeName)
  return { schema: parts.at(-2) ?? 'main', table: parts.at(-1)! }
}
