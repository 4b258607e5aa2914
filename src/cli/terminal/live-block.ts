import type { Output } from '../verb.ts'

/**
 * A block of lines at the bottom of the terminal that is drawn again and again, while log lines scroll above it. Without a terminal only
 * the log lines are written.
 */
export class LiveBlock {
  private readonly out: Output
  private drawn = 0
  private busy: Promise<void> = Promise.resolve()

  constructor(out: Output) {
    this.out = out
  }

  /** Writes a line that stays. */
  log(line: string): void {
    this.enqueue(`${this.erase()}${line}\n`)
  }

  /** Replaces the block. */
  draw(lines: readonly string[]): void {
    if (!this.out.isTerminal) return
    const width = Math.max(20, this.out.columns || 80) - 1
    const text = lines.map((l) => `${[...l].slice(0, width).join('')}\n`).join('')
    this.enqueue(this.erase() + text)
    this.drawn = lines.length
  }

  /** Resolves when everything has been handed to the stream. The block stays as it was drawn last. */
  async end(): Promise<void> {
    this.drawn = 0
    await this.busy
  }

  private erase(): string {
    const lines = this.drawn
    this.drawn = 0
    return lines === 0 ? '' : `\x1b[${lines}A\x1b[J`
  }

  private enqueue(text: string): void {
    this.busy = this.busy.then(() => this.out.write(text))
  }
}
