import { homedir } from 'node:os'
import { join, resolve } from 'node:path'
import type { ObjectStore } from '../../contract/object-store.ts'
import type { WatermarkStore } from '../../contract/table.ts'
import type { TableReader } from '../../contract/table-reader.ts'
import { LakeCatalog } from '../../lake/catalog.ts'
import { decodeName } from '../../lake/layout/paths.ts'
import { LakeWatermarkStore } from '../../lake/watermark-store.ts'
import { openPlace, placeOf, type StoreContext } from '../open-store.ts'
import type { CacheFlagValues, S3FlagValues } from '../s3-flags.ts'
import type { ContextWith } from '../verb.ts'
import { FileCache, filesOnDisk, type LocalFiles } from './local-files.ts'

/** A lake opened for reading. */
export interface OpenLake {
  readonly store: ObjectStore
  readonly watermarks: WatermarkStore
  readonly catalog: LakeCatalog
  /** The data files as DuckDB can open them; to be closed when it has been used. */
  readonly files: LocalFiles
  reader(path: string): TableReader
}

export type LakeContext = StoreContext & Pick<ContextWith<Partial<S3FlagValues & CacheFlagValues>>, 'flags'>

const CACHE_BYTES = 16 * 1024 ** 3

/** The lake at `--lake`: a directory, file:// and a path, or s3://bucket/prefix. Anything else: TRB-CLI-004. */
export function openLake(uri: string, context: LakeContext): OpenLake {
  const { clock } = context
  const place = placeOf(uri, context)
  const store = openPlace(place, clock)
  const catalog = new LakeCatalog(store, clock)
  return {
    store,
    catalog,
    watermarks: new LakeWatermarkStore(store, clock),
    files: place.kind === 'disk' ? filesOnDisk((key) => resolve(place.path, key)) : fileCache(store, context),
    reader: (path) => catalog.reader(path),
  }
}

function fileCache(store: ObjectStore, { flags, env, cwd, clock }: LakeContext): FileCache {
  const given = flags['cache-dir'] ?? null
  const base = env['XDG_CACHE_HOME'] ? env['XDG_CACHE_HOME'] : join(env['HOME'] ?? homedir(), '.cache')
  const directory = given === null ? join(base, 'tributary') : resolve(cwd, given)
  return new FileCache(store, { directory, limit: flags['cache-bytes'] ?? CACHE_BYTES, clock })
}

/** Schema and name under which SQL knows a table: the last two segments of its path. */
export function nameOfPath(path: string): { readonly schema: string; readonly table: string } {
  const parts = path.split('/').map(decodeName)
  return { schema: parts.at(-2) ?? 'main', table: parts.at(-1)! }
}
