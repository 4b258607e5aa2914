import type { LakeColumn } from '../../contract/columns.ts'
import { assert } from '../../failure/failure.ts'
import type { Chunk } from '../merge/changes.ts'
import { selectChunk } from '../merge/select-chunk.ts'
import type { BlockRef, ScratchFile } from './scratch-file.ts'

/** Parts that the changes are split into, over all buckets. */
const PARTS = 128

/** Where spilled changes go, by place: bucket-major, so that a bucket's parts follow one another. */
export class Places {
  readonly #parts: number
  readonly buckets: number

  constructor(buckets: number) {
    this.buckets = buckets
    let parts = 1
    while (parts * buckets < PARTS) parts *= 2
    this.#parts = parts
  }

  /** Place of a key of bucket `bucket` with second hash `h1`. */
  of(bucket: number, h1: number): number {
    return bucket * this.#parts + (h1 & (this.#parts - 1))
  }

  bucketOf(place: number): number {
    return Math.floor(place / this.#parts)
  }

  /** Part of 16 of a place that is too large, at `depth` (0 …). */
  child(h1: number, depth: number): number {
    return (h1 >>> (8 + depth * 4)) & 15
  }
}

/** Changes on disk, split by place; blocks of a place are in log order. */
export class Spill {
  readonly places: Places
  readonly file: ScratchFile
  readonly #columns: readonly LakeColumn[]
  #blocks = new Map<number, BlockRef[]>()

  constructor(file: ScratchFile, buckets: number, columns: readonly LakeColumn[]) {
    this.file = file
    this.places = new Places(buckets)
    this.#columns = columns
  }

  async add(chunks: readonly Chunk[]): Promise<void> {
    for (const [place, part] of split(chunks, (c, i) => this.places.of(c.bucket[i], c.keys.h1[i]))) {
      const chunk = selectChunk(chunks, part.chunk, part.entry, this.#columns)
      const list = this.#blocks.get(place) ?? []
      list.push(await this.file.append(chunk, chunk.count, chunk.bytes))
      this.#blocks.set(place, list)
    }
  }

  /** A truncate: what was spilled before it doesn't count. */
  clear(): void {
    this.#blocks = new Map()
  }

  holds(place: number): boolean {
    return this.#blocks.has(place)
  }

  /** Entries of a bucket. */
  rows(bucket: number): number {
    let rows = 0
    for (const [place, refs] of this.#blocks) if (this.places.bucketOf(place) === bucket) for (const r of refs) rows += r.rows
    return rows
  }

  /** Buckets with changes, ascending. */
  buckets(): number[] {
    return [...new Set([...this.#blocks.keys()].map((p) => this.places.bucketOf(p)))].sort((a, b) => a - b)
  }

  /** The changes of a bucket in units of at most about `limit` bytes: several places together, or parts of one. */
  async *units(bucket: number, limit: number): AsyncGenerator<{ readonly places: ReadonlySet<number>; readonly chunks: Chunk[] }> {
    const places = [...this.#blocks.keys()].filter((p) => this.places.bucketOf(p) === bucket).sort((a, b) => a - b)
    for (let i = 0; i < places.length; ) {
      const together = new Set<number>()
      const refs: BlockRef[] = []
      let bytes = 0
      do {
        const blocks = this.#blocks.get(places[i])!
        refs.push(...blocks)
        bytes += sum(blocks)
        together.add(places[i++])
      } while (i < places.length && bytes + sum(this.#blocks.get(places[i])!) <= limit)
      if (bytes <= limit) yield { places: together, chunks: await this.#load(refs) }
      else for await (const chunks of this.#parts(refs, limit, 0)) yield { places: together, chunks }
    }
  }

  /** A place that is too large, split further by other bits of the hash. One key's changes never part. */
  async *#parts(refs: readonly BlockRef[], limit: number, depth: number): AsyncGenerator<Chunk[]> {
    if (sum(refs) <= limit || depth > 5) {
      yield await this.#load(refs)
      return
    }
    const children = new Map<number, BlockRef[]>()
    for (const ref of refs) {
      const [whole] = await this.#load([ref])
      for (const [child, part] of split([whole], (c, i) => this.places.child(c.keys.h1[i], depth))) {
        const chunk = selectChunk([whole], part.chunk, part.entry, this.#columns)
        const list = children.get(child) ?? []
        list.push(await this.file.append(chunk, chunk.count, chunk.bytes))
        children.set(child, list)
      }
    }
    for (const list of children.values()) yield* this.#parts(list, limit, depth + 1)
  }

  async #load(refs: readonly BlockRef[]): Promise<Chunk[]> {
    const out: Chunk[] = []
    for (const ref of refs) out.push((await this.file.read(ref)) as Chunk)
    return out
  }
}

function sum(refs: readonly BlockRef[]): number {
  return refs.reduce((n, r) => n + r.bytes, 0)
}

/** Entries by `partOf`, each part in log order. */
function split(
  chunks: readonly Chunk[],
  partOf: (c: Chunk, entry: number) => number,
): Map<number, { readonly chunk: Int32Array; readonly entry: Int32Array }> {
  const sizes = new Map<number, number>()
  const total = chunks.reduce((n, c) => n + c.count, 0)
  const parts = new Int32Array(total)
  let j = 0
  for (const c of chunks) {
    for (let i = 0; i < c.count; i++, j++) {
      const part = partOf(c, i)
      parts[j] = part
      sizes.set(part, (sizes.get(part) ?? 0) + 1)
    }
  }
  const out = new Map<number, { chunk: Int32Array; entry: Int32Array }>()
  const filled = new Map<number, number>()
  for (const [part, size] of sizes) {
    out.set(part, { chunk: new Int32Array(size), entry: new Int32Array(size) })
    filled.set(part, 0)
  }
  j = 0
  for (const [n, c] of chunks.entries()) {
    for (let i = 0; i < c.count; i++, j++) {
      const to = out.get(parts[j])
      const at = filled.get(parts[j])
      assert(to !== undefined && at !== undefined, 'every entry has its part')
      to.chunk[at] = n
      to.entry[at] = i
      filled.set(parts[j], at + 1)
    }
  }
  return out
}
