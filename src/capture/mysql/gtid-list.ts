/**
 * A position of MariaDB: by domain the newest transaction, `domain-server-sequence`. Within a domain transactions are ordered, and their
 * sequence numbers increase (gtid_strict_mode sees to it; without it the server still resumes behind the very transaction it is given).
 *   list => '' | gtid (',' gtid)*        gtid => domain '-' server '-' sequence
 */
export class GtidList {
  readonly #domains = new Map<number, { server: number; sequence: bigint }>()
  #text: string | null = null

  /** Null: not such a text. */
  static parse(text: string): GtidList | null {
    const list = new GtidList()
    for (const part of text.split(',')) {
      if (part.trim() === '' && text.trim() === '') continue
      const m = /^(\d{1,10})-(\d{1,10})-(\d{1,20})$/.exec(part.trim())
      if (m === null) return null
      list.set(Number(m[1]), Number(m[2]), BigInt(m[3]))
    }
    return list
  }

  get empty(): boolean {
    return this.#domains.size === 0
  }

  copy(): GtidList {
    const list = new GtidList()
    for (const [domain, at] of this.#domains) list.#domains.set(domain, at)
    return list
  }

  /** The domain's newest transaction is now this one. */
  set(domain: number, server: number, sequence: bigint): void {
    this.#domains.set(domain, { server, sequence })
    this.#text = null
  }

  /** Every domain of `other` is here, and has come at least as far. */
  covers(other: GtidList): boolean {
    for (const [domain, at] of other.#domains) {
      const mine = this.#domains.get(domain)
      if (mine === undefined || mine.sequence < at.sequence) return false
    }
    return true
  }

  print(): string {
    this.#text ??= [...this.#domains]
      .sort(([a], [b]) => a - b)
      .map(([domain, at]) => `${domain}-${at.server}-${at.sequence}`)
      .join(',')
    return this.#text
  }
}
