/** Names of the calls of an ObjectStore, and of an ObjectWriter's parts. */
export type StoreCall =
  | 'get'
  | 'range'
  | 'put'
  | 'putIfAbsent'
  | 'replaceIfTag'
  | 'head'
  | 'list'
  | 'delete'
  | 'writer.write'
  | 'writer.close'
  | 'writer.abort'

export interface CallCount {
  calls: number
  /** Bytes read by get and range, written by the rest. */
  bytes: number
}

/** Calls and bytes of one store since it was opened, by name of the call. */
export class CallCounter<C extends string = StoreCall> {
  readonly counts = new Map<C, CallCount>()

  add(call: C, bytes: number): void {
    const known = this.counts.get(call)
    if (known === undefined) this.counts.set(call, { calls: 1, bytes })
    else {
      known.calls++
      known.bytes += bytes
    }
  }

  /** Bytes that follow a call already counted (an answer that came in later). */
  addBytes(call: C, bytes: number): void {
    const known = this.counts.get(call)
    if (known !== undefined) known.bytes += bytes
  }

  get totalCalls(): number {
    let n = 0
    for (const c of this.counts.values()) n += c.calls
    return n
  }
}
