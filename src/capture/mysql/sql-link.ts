import { isFailure } from '../../failure/failure.ts'
import { connectMysql, type SqlConnection } from './connect.ts'
import type { ConnectOptions } from './options.ts'

/** A connection for short queries beside the stream; opened when needed, opened again after it was lost. */
export class SqlLink {
  readonly #options: ConnectOptions
  #connection: Promise<SqlConnection> | null = null
  #closed = false

  constructor(options: ConnectOptions) {
    this.#options = options
  }

  /** Runs `work`; once more on a new connection when the old one turns out to be lost. */
  async use<T>(work: (sql: SqlConnection) => Promise<T>): Promise<T> {
    const had = this.#connection !== null
    const sql = await this.#open()
    try {
      return await work(sql)
    } catch (e) {
      if (!isFailure(e, 'TRB-MY-021')) throw e
      this.#connection = null
      sql.destroy()
      if (!had || this.#closed) throw e
      return await work(await this.#open())
    }
  }

  async close(): Promise<void> {
    this.#closed = true
    const connection = this.#connection
    this.#connection = null
    if (connection === null) return
    const [opened] = await Promise.allSettled([connection])
    if (opened.status === 'fulfilled') await opened.value.close()
  }

  async #open(): Promise<SqlConnection> {
    this.#connection ??= connectMysql(this.#options)
    try {
      return await this.#connection
    } catch (e) {
      this.#connection = null
      throw e
    }
  }
}
