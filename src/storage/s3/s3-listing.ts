import type { _Object } from '@aws-sdk/client-s3'
import type { S3Link } from './s3-link.ts'

/** One answer of a listing. */
interface Page {
  readonly objects: readonly _Object[]
  /** Directories below the prefix; only of a listing by directories. */
  readonly directories: readonly string[]
  readonly next: string | undefined
}

/** Directories that are listed at the same time. */
const AHEAD = 4
/** With more directories than this they may be small ones, and a request for each would cost more than it saves. */
const MOST_DIRECTORIES = 256

/**
 * Objects whose full name starts with `prefix` and comes after `after`, in order. The next page is fetched while the second half of one is worked on,
 * so a listing that ends early costs nothing more. When the whole first page lies in one directory of several, they are large: then
 * those after it are listed at the same time, `AHEAD` of them.
 */
export async function* listObjects(link: S3Link, prefix: string, after: string | undefined): AsyncGenerator<_Object> {
  const first = await page(link, { prefix, after })
  const base = prefix.slice(0, prefix.lastIndexOf('/') + 1)
  const inside = first.next === undefined ? null : onlyDirectory(first.objects, base)
  if (inside === null) {
    yield* pages(link, prefix, first)
    return
  }
  let looking: ReturnType<typeof laterEntries> | null = null
  for (const [i, o] of first.objects.entries()) {
    if (i >= first.objects.length / 2) looking ??= quiet(laterEntries(link, prefix, inside))
    yield o
  }
  const later = await (looking ?? laterEntries(link, prefix, inside))
  // Without directories to list ahead it goes on as it began.
  const rest = later === null ? prefix : inside
  yield* pages(link, rest, await page(link, { prefix: rest, after: first.objects.at(-1)!.Key }))
  if (later !== null) yield* inOrder(link, later)
}

/** What comes after the directory `inside`: single objects, and directories that are listed ahead of their turn. */
async function* inOrder(link: S3Link, later: readonly (string | _Object)[]): AsyncGenerator<_Object> {
  const begun = new Map<string, Promise<Page>>()
  const directories = later.filter((e) => typeof e === 'string')
  let next = 0
  const begin = (): void => {
    while (next < directories.length && begun.size < AHEAD) {
      const directory = directories[next++]
      begun.set(directory, quiet(page(link, { prefix: directory })))
    }
  }
  for (const entry of later) {
    if (typeof entry !== 'string') {
      yield entry
      continue
    }
    begin()
    const first = await begun.get(entry)!
    begun.delete(entry)
    begin()
    yield* pages(link, entry, first)
  }
}

async function* pages(link: S3Link, prefix: string, first: Page): AsyncGenerator<_Object> {
  for (let at = first; ; ) {
    let ahead: Promise<Page> | null = null
    for (const [i, o] of at.objects.entries()) {
      if (at.next !== undefined && ahead === null && i >= at.objects.length / 2) ahead = quiet(page(link, { prefix, token: at.next }))
      yield o
    }
    if (at.next === undefined) return
    at = await (ahead ?? page(link, { prefix, token: at.next }))
  }
}

/** The one directory below `base` (with its '/') that all these objects are in; null: they are in several, or in none. */
function onlyDirectory(objects: readonly _Object[], base: string): string | null {
  const of = (o: _Object | undefined): string | null => {
    const slash = o?.Key?.indexOf('/', base.length) ?? -1
    return slash < 0 ? null : o!.Key!.slice(0, slash + 1)
  }
  const directory = of(objects[0])
  return directory !== null && directory === of(objects.at(-1)) ? directory : null
}

/** Objects and directories directly below `base` that start with `prefix` and come after a directory, in order; null: too many. */
async function laterEntries(link: S3Link, prefix: string, inside: string): Promise<readonly (string | _Object)[] | null> {
  const out: (string | _Object)[] = []
  let directories = 0
  let token: string | undefined
  do {
    const found = await page(link, { prefix, token, delimiter: true })
    const later = found.directories.filter((d) => d > inside)
    directories += later.length
    if (directories > MOST_DIRECTORIES) return null
    // Everything below the directory comes before what starts with its name and a character after '/'.
    out.push(...later, ...found.objects.filter((o) => o.Key! > inside && !o.Key!.startsWith(inside)))
    token = found.next
  } while (token !== undefined)
  if (directories === 0) return null
  const keyOf = (e: string | _Object): string => (typeof e === 'string' ? e : e.Key!)
  return out.sort((a, b) => (keyOf(a) < keyOf(b) ? -1 : 1))
}

interface Request {
  readonly prefix: string
  readonly after?: string | undefined
  readonly token?: string | undefined
  readonly delimiter?: boolean
}

async function page(link: S3Link, { prefix, after, token, delimiter }: Request): Promise<Page> {
  const input = {
    Bucket: link.location.bucket,
    Prefix: prefix,
    MaxKeys: link.limits.pageKeys,
    ContinuationToken: token,
    StartAfter: token === undefined ? after : undefined,
    Delimiter: delimiter === true ? '/' : undefined,
  }
  const answer = await link.send('ListObjectsV2', prefix.slice(link.location.prefix.length), 0, ({ sdk, client }, abortSignal) =>
    client.send(new sdk.ListObjectsV2Command(input), { abortSignal }),
  )
  return {
    // Names that end with '/' are directories as other tools mark them.
    objects: (answer.Contents ?? []).filter((o) => o.Key !== undefined && !o.Key.endsWith('/')),
    directories: (answer.CommonPrefixes ?? []).flatMap((p) => p.Prefix ?? []),
    next: answer.IsTruncated ? answer.NextContinuationToken : undefined,
  }
}

/** A promise that may never be waited for: its rejection is then nobody's. */
function quiet<R>(promise: Promise<R>): Promise<R> {
  promise.catch(() => undefined)
  return promise
}
