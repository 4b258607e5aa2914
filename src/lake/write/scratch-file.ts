import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { assert } from '../../failure/failure.ts'

/** A block in a scratch file. */
export interface BlockRef {
  readonly at: number
  readonly length: number
  readonly rows: number
  /** What the block costs in memory, about. */
  readonly bytes: number
}

/**
 * One file for everything that a flush keeps on disk: blocks are appended, and read back by reference. It has no name (it is unlinked as soon
 * as it is open), so nothing is left of it when the process dies.
 */
export class ScratchFile {
  readonly #handle: FileHandle
  #length = 0

  private constructor(handle: FileHandle) {
    this.#handle = handle
  }

  /** `name`: unique in the directory. */
  static async create(directory: string, name: string): Promise<ScratchFile> {
    await mkdir(directory, { recursive: true })
    const path = join(directory, name)
    const handle = await open(path, 'wx+')
    await rm(path)
    return new ScratchFile(handle)
  }

  get length(): number {
    return this.#length
  }

  /** Appends a value made of plain objects, buffers and typed arrays. */
  async append(value: unknown, rows: number, bytes: number): Promise<BlockRef> {
    const block = serialize(value)
    const at = this.#length
    for (let done = 0; done < block.length; ) {
      done += (await this.#handle.write(block, done, block.length - done, at + done)).bytesWritten
    }
    this.#length += block.length
    return { at, length: block.length, rows, bytes }
  }

  async read(ref: BlockRef): Promise<unknown> {
    const block = Buffer.allocUnsafeSlow(ref.length)
    for (let done = 0; done < ref.length; ) {
      const { bytesRead } = await this.#handle.read(block, done, ref.length - done, ref.at + done)
      assert(bytesRead > 0, 'a scratch block is whole')
      done += bytesRead
    }
    return deserialize(block)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }
}
