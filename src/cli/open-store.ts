import { resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../contract/clock.ts'
import type { ObjectStore } from '../contract/object-store.ts'
import { Failure } from '../failure/failure.ts'
import { DiskStore } from '../storage/disk/disk-store.ts'
import type { S3Options } from '../storage/s3/s3-options.ts'
import { S3Store } from '../storage/s3/s3-store.ts'
import { type S3FlagValues, s3OptionsOf } from './s3-flags.ts'
import { STORES_ABANDONED } from './signals.ts'
import type { ContextWith } from './verb.ts'

/** What of a verb's context decides how a place is opened. */
export type StoreContext = Pick<ContextWith<Partial<S3FlagValues>>, 'flags' | 'env' | 'cwd' | 'clock' | 'command'>

/** A place as a store, in a form that can be handed to another thread. */
export type Place = { readonly kind: 'disk'; readonly path: string } | { readonly kind: 's3'; readonly uri: string; readonly s3: S3Options }

/** Where a `--lake` value (or a table's URI) points: a directory, file:// and a path, or s3://bucket/prefix. Anything else: TRB-CLI-004. */
export function placeOf(uri: string, context: Omit<StoreContext, 'clock'>): Place {
  if (/^s3[an]?:\/\//i.test(uri)) {
    const s3 = s3OptionsOf(context.flags, context.env)
    checkEndpoint(s3.endpoint, context.command)
    return { kind: 's3', uri, s3 }
  }
  if (uri.startsWith('file://')) return { kind: 'disk', path: fileURLToPath(uri) }
  if (/^[a-z][a-z0-9+.-]+:\/\//i.test(uri)) {
    throw new Failure('TRB-CLI-004', {
      command: context.command,
      where: '--lake',
      value: JSON.stringify(uri),
      expected: 'a directory or s3://BUCKET/PREFIX',
    })
  }
  return { kind: 'disk', path: resolve(context.cwd, uri) }
}

/** Opens a place; for S3 the SDK is loaded with the first request only. */
export function openPlace(place: Place, clock: Clock): ObjectStore {
  return place.kind === 'disk'
    ? new DiskStore(place.path, clock, STORES_ABANDONED)
    : new S3Store(place.uri, clock, place.s3, STORES_ABANDONED)
}

/** `placeOf` and `openPlace` in one. */
export function openStore(uri: string, context: StoreContext): ObjectStore {
  return openPlace(placeOf(uri, context), context.clock)
}

function checkEndpoint(endpoint: string | null, command: string): void {
  if (endpoint === null || (/^https?:\/\//i.test(endpoint) && URL.canParse(endpoint))) return
  throw new Failure('TRB-CLI-004', {
    command,
    where: '--s3-endpoint',
    value: JSON.stringify(endpoint),
    expected: 'a URL with http:// or https://',
  })
}
