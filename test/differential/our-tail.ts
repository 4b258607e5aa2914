import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'

const BIN = new URL('../../bin/cdc.mjs', import.meta.url).pathname
const PATIENCE_MS = 180_000

/** `cdc tail --config` as a process: its lines, and waiting for records of a topic. */
export class OurTail {
  readonly lines: string[] = []
  readonly #child: ChildProcess
  readonly #mark: string
  #seen = 0
  #err = ''
  #streaming = false
  #code: number | null | undefined
  #wake: () => void = () => undefined

  /** @param sentinel topic whose records are waited for */
  constructor(config: string, format: 'debezium-json' | 'avro-hex', state: string, sentinel: string) {
    this.#mark = `"topic":${JSON.stringify(sentinel)}`
    const args = [BIN, 'tail', '--config', config, '--format', format, '--state', state]
    this.#child = spawn(process.execPath, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.lines.push(line)
      if (line.slice(0, 200).includes(this.#mark)) this.#seen++
      this.#wake()
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (s: string) => {
      this.#err += s
      this.#streaming ||= /^streaming$/m.test(this.#err)
      this.#wake()
    })
    this.#child.on('close', (code) => {
      this.#code = code
      this.#wake()
    })
  }

  /** Resolves when the stream is open. */
  streaming(): Promise<void> {
    return this.#until(() => this.#streaming)
  }

  /** Resolves when so many records of the sentinel's topic were printed in all. */
  sentinels(count: number): Promise<void> {
    return this.#until(() => this.#seen >= count)
  }

  async stop(): Promise<void> {
    this.#child.kill('SIGTERM')
    while (this.#code === undefined) await this.#next()
    if (this.#code !== 0) throw new Error(`cdc tail ended with ${this.#code}:\n${this.#err}`)
  }

  async #until(met: () => boolean): Promise<void> {
    while (!met()) {
      if (this.#code !== undefined) throw new Error(`cdc tail ended with ${this.#code}:\n${this.#err}`)
      if (!(await this.#next())) throw new Error(`cdc tail said nothing for ${PATIENCE_MS / 1000} s:\n${this.#err}`)
    }
  }

  #next(): Promise<boolean> {
    return new Promise((done) => {
      const timer = setTimeout(() => done(false), PATIENCE_MS)
      this.#wake = () => {
        clearTimeout(timer)
        done(true)
      }
    })
  }
}
