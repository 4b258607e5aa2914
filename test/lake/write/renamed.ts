import type { Clock } from '../../../src/contract/clock.ts'
import { MemoryStore } from '../../../src/storage/memory/memory-store.ts'

/** The same store, with a file group under another name: as if another engine had written it. */
export async function renamed(store: MemoryStore, clock: Clock, from: string, to: string): Promise<MemoryStore> {
  const out = new MemoryStore(clock)
  for (const [key, body] of store.snapshot()) {
    const text = body.toString('latin1')
    const changed = key.includes('/.hoodie/') && text.includes(from) ? Buffer.from(text.replaceAll(from, to), 'latin1') : body
    const name = key.replace(from, to)
    if (/\/\.hoodie\/(timeline\/)?[0-9_]+\.[a-z]+$/.test(name)) await out.putIfAbsent(name, changed)
    else await out.put(name, changed)
  }
  return out
}
