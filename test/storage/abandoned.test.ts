import { mkdtempSync, readdirSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/cli/clock.ts'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import { DiskStore } from '../../src/storage/disk/disk-store.ts'
import { MemoryStore } from '../../src/storage/memory/memory-store.ts'

const root = mkdtempSync(join(tmpdir(), 'abandoned-'))
const stores: readonly (readonly [string, (signal: AbortSignal) => ObjectStore])[] = [
  ['memory', (signal) => Object.assign(new MemoryStore(systemClock), { signal })],
  ['disk', (signal) => new DiskStore(root, systemClock, signal)],
]

test.each(stores)('%s: once its signal is aborted every call fails with TRB-STORE-017, and what was there is', async (kind, open) => {
  const stop = new AbortController()
  const store = open(stop.signal)
  await store.put('a', Buffer.from('x'))
  const tag = (await store.head('a'))!.tag
  const writer = await store.writer('b')
  await writer.write(Buffer.from('half'))
  stop.abort()
  const calls: readonly (() => Promise<unknown>)[] = [
    () => store.get('a'),
    () => store.range('a', 0, 1),
    () => store.put('c', Buffer.from('y')),
    () => store.putIfAbsent('c', Buffer.from('y')),
    () => store.replaceIfTag('a', Buffer.from('y'), tag),
    () => store.head('a'),
    async () => {
      for await (const o of store.list('')) return o
      return null
    },
    () => store.delete(['a']),
    () => writer.write(Buffer.from('more')),
    () => writer.close(),
  ]
  for (const [n, call] of calls.entries()) await expect(call(), `call ${n}`).rejects.toMatchObject({ code: 'TRB-STORE-017' })
  if (kind === 'memory') return
  expect(readdirSync(root).filter((f) => !f.startsWith('.'))).toEqual(['a'])
  rmSync(root, { recursive: true })
})
