import { type FileHandle, mkdir, open, rm } from 'node:fs/promises'
import { join } from 'node:path'
import { deserialize, serialize } from 'node:v8'
import { assert, Failure } from '../../failure/failure.ts'

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
  readonly #directory: string
  readonly #name: string
  #length = 0

  private constructor(handle: FileHandle, directory: string, name: string) {
    this.#handle = handle
    this.#directory = directory
    this.#name = name
  }

  /** `name`: unique in the directory. Fails with TRB-STORE-002, 003 or 004, as all that is done with the file. */
  static async create(directory: string, name: string): Promise<ScratchFile> {
    try {
      await mkdir(directory, { recursive: true })
      const path = join(directory, name)
      const handle = await open(path, 'wx+')
      await rm(path)
      return new ScratchFile(handle, directory, name)
    } catch (e) {
      throw diskFailure(e, directory, name)
    }
  }

  get length(): number {
    return this.#length
  }

  /** Appends a value made of plain objects, buffers and typed arrays. */
  async append(value: unknown, rows: number, bytes: number): Promise<BlockRef> {
    const block = serialize(value)
    const at = this.#length
    for (let done = 0; done < block.length; ) {
      const written = await this.#handle.write(block, done, block.length - done, at + done).catch((e: unknown) => this.#failed(e))
      done += written.bytesWritten
    }
    this.#length += block.length
    return { at, length: block.length, rows, bytes }
  }

  async read(ref: BlockRef): Promise<unknown> {
    const block = Buffer.allocUnsafeSlow(ref.length)
    for (let done = 0; done < ref.length; ) {
      const { bytesRead } = await this.#handle.read(block, done, ref.length - done, ref.at + done).catch((e: unknown) => this.#failed(e))
      assert(bytesRead > 0, 'a scratch block is whole')
      done += bytesRead
    }
    return deserialize(block)
  }

  async close(): Promise<void> {
    await this.#handle.close()
  }

  #failed(e: unknown): never {
    throw diskFailure(e, this.#directory, this.#name)
  }
}

function diskFailure(e: unknown, root: string, key: string): Failure {
  const system = (e as NodeJS.ErrnoException).code ?? String(e)
  const full = system === 'ENOSPC' || system === 'EDQUOT'
  const denied = system === 'EACCES' || system === 'EPERM' || system === 'EROFS'
  return new Failure(full ? 'TRB-STORE-003' : denied ? 'TRB-STORE-002' : 'TRB-STORE-004', { root, key, system }, e)
}
