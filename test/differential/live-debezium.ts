import { type ChildProcess, spawn } from 'node:child_process'
import { createInterface } from 'node:readline'
import type { Flavor } from '../support/mysql.ts'

const SCRIPT = new URL('../services/debezium.sh', import.meta.url).pathname
const PATIENCE_MS = 180_000

/** One process of the real Debezium (test/services/DebeziumLive.java): one connector after the other. */
export class LiveDebezium {
  readonly #child: ChildProcess
  readonly #lines: string[] = []
  #wake: () => void = () => undefined
  #err = ''
  #ended = false

  constructor(flavor: Flavor) {
    this.#child = spawn('bash', [SCRIPT, 'run', flavor], { stdio: ['pipe', 'pipe', 'pipe'] })
    createInterface({ input: this.#child.stdout! }).on('line', (line) => {
      this.#lines.push(line)
      this.#wake()
    })
    this.#child.stderr!.setEncoding('utf8').on('data', (s: string) => {
      this.#err = (this.#err + s).slice(-4000)
    })
    this.#child.on('close', () => {
      this.#ended = true
      this.#wake()
    })
  }

  /** Runs the connector of `dir`; resolves when it streams. */
  async start(dir: string): Promise<void> {
    this.#child.stdin!.write(`start ${dir}\n`)
    await this.#until('streaming')
  }

  /** Resolves when the connector has given that many more records of its sentinel topic. */
  async sentinels(count: number): Promise<void> {
    for (let i = 0; i < count; i++) await this.#until('sentinel')
  }

  /** Ends the connector; its files are whole after that. */
  async stop(): Promise<void> {
    this.#child.stdin!.write('stop\n')
    await this.#until('stopped')
  }

  async close(): Promise<void> {
    this.#child.stdin!.end()
    while (!this.#ended) await this.#next()
  }

  async #until(word: string): Promise<void> {
    for (;;) {
      const line = this.#lines.shift()
      if (line === undefined) {
        if (this.#ended) throw new Error(`Debezium ended:\n${this.#err}`)
        if (!(await this.#next())) throw new Error(`Debezium said nothing for ${PATIENCE_MS / 1000} s, waiting for ${word}:\n${this.#err}`)
      } else if (line.split(' ')[0] === word) return
      else if (line.startsWith('failed')) throw new Error(`Debezium ${line}\n${this.#err}`)
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
