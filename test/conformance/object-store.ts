import { describe, expect, test } from 'vitest'
import type { ObjectStore } from '../../src/contract/object-store.ts'
import { isFailure } from '../../src/failure/failure.ts'

/** What an implementation gives the suite: a store without objects, and another process's view of the same objects. */
export interface StoreUnderTest {
  open(): Promise<ObjectStore>
  second(store: ObjectStore): Promise<ObjectStore>
}

const bytes = (text: string): Buffer => Buffer.from(text, 'utf8')

/** Keys of a listing, in its order. */
export async function keysOf(store: ObjectStore, prefix: string, after?: string): Promise<string[]> {
  const out: string[] = []
  for await (const o of store.list(prefix, after)) out.push(o.key)
  return out
}

/** The tests that every object store passes. */
export function objectStoreSuite(under: StoreUnderTest): void {
  describe('reading', () => readingTests(under))
  describe('creating', () => creatingTests(under))
  describe('replacing and deleting', () => replacingTests(under))
  describe('listing', () => listingTests(under))
}

function readingTests(under: StoreUnderTest): void {
  test('what was put is read back, whole and in ranges', async () => {
    const s = await under.open()
    await s.put('a/b', bytes('0123456789'))
    expect((await s.get('a/b')).toString()).toBe('0123456789')
    const range = async (start: number, length: number): Promise<string> => (await s.range('a/b', start, length)).toString()
    expect(await range(0, 4)).toBe('0123')
    expect(await range(3, 2)).toBe('34')
    expect(await range(-3, 3)).toBe('789')
    expect(await range(8, 100)).toBe('89')
    expect(await range(-100, 4)).toBe('0123')
    expect(await range(50, 4)).toBe('')
  })

  test('an object that is not there fails with TRB-STORE-001', async () => {
    const s = await under.open()
    await s.put('a/b', bytes('x'))
    for (const key of ['c', 'a/c', 'a', 'a/b/c']) {
      await expect(s.get(key), key).rejects.toSatisfy((e) => isFailure(e))
      expect(await s.head(key), key).toBeNull()
    }
    await expect(s.get('a/c')).rejects.toMatchObject({ code: 'TRB-STORE-001' })
    await expect(s.range('a/c', 0, 1)).rejects.toMatchObject({ code: 'TRB-STORE-001' })
  })

  test('head tells key, size and a tag that changes with the content', async () => {
    const s = await under.open()
    await s.put('k', bytes('abc'))
    const first = await s.head('k')
    expect(first).toMatchObject({ key: 'k', size: 3 })
    expect(await s.head('k')).toEqual(first)
    await s.replaceIfTag('k', bytes('abd'), first!.tag)
    expect((await s.head('k'))?.tag).not.toBe(first?.tag)
  })

  test.each(['', '/a', 'a/', 'a//b', '.', 'a/../b', './a', 'a\0b'])('the key %j is refused', async (key) => {
    const s = await under.open()
    await expect(s.put(key, bytes('x'))).rejects.toMatchObject({ code: 'TRB-STORE-007' })
    await expect(s.get(key)).rejects.toMatchObject({ code: 'TRB-STORE-007' })
  })
}

function creatingTests(under: StoreUnderTest): void {
  test('putIfAbsent creates once; the first content stays', async () => {
    const s = await under.open()
    expect(await s.putIfAbsent('t/1', bytes('one'))).toBe('created')
    expect(await s.putIfAbsent('t/1', bytes('two'))).toBe('exists')
    expect((await s.get('t/1')).toString()).toBe('one')
  })

  test('of many that race for a key exactly one creates it', async () => {
    const a = await under.open()
    const b = await under.second(a)
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).putIfAbsent('race', bytes(`${i}`))))
    expect(answers.filter((x) => x === 'created')).toHaveLength(1)
    expect((await a.get('race')).toString()).toBe(String(answers.indexOf('created')))
  })

  test('to put a key twice is a defect: TRB-STORE-005, and the first content stays', async () => {
    const s = await under.open()
    await s.put('k', bytes('one'))
    await expect(s.put('k', bytes('two'))).rejects.toMatchObject({ code: 'TRB-STORE-005' })
    expect((await s.get('k')).toString()).toBe('one')
  })

  test('empty objects are objects', async () => {
    const s = await under.open()
    expect(await s.putIfAbsent('e', bytes(''))).toBe('created')
    expect(await s.get('e')).toHaveLength(0)
    expect(await keysOf(s, '')).toEqual(['e'])
  })

  test('a writer shows its object when closed, whole', async () => {
    const s = await under.open()
    const w = await s.writer('d/big')
    const chunk = Buffer.alloc(100_000, 7)
    for (let i = 0; i < 5; i++) await w.write(chunk)
    expect(await keysOf(s, '')).toEqual([])
    expect(await s.head('d/big')).toBeNull()
    expect(await w.close()).toBe(500_000)
    expect((await s.get('d/big')).equals(Buffer.alloc(500_000, 7))).toBe(true)
  })

  test('what a writer was given may be changed after write has returned', async () => {
    const s = await under.open()
    const w = await s.writer('k')
    const chunk = bytes('abc')
    await w.write(chunk)
    chunk.fill(0)
    await w.close()
    expect((await s.get('k')).toString()).toBe('abc')
  })

  test('an aborted writer leaves nothing', async () => {
    const s = await under.open()
    const w = await s.writer('d/x')
    await w.write(bytes('abc'))
    await w.abort()
    expect(await keysOf(s, '')).toEqual([])
  })

  test('a writer does not overwrite', async () => {
    const s = await under.open()
    await s.put('k', bytes('one'))
    const w = await s.writer('k')
    await w.write(bytes('two'))
    await expect(w.close()).rejects.toMatchObject({ code: 'TRB-STORE-005' })
    expect((await s.get('k')).toString()).toBe('one')
  })
}

function replacingTests(under: StoreUnderTest): void {
  test('replaceIfTag replaces the version that the tag names, and no other', async () => {
    const s = await under.open()
    await s.put('k', bytes('one'))
    const { tag } = (await s.head('k'))!
    expect(await s.replaceIfTag('k', bytes('two'), tag)).toBe('replaced')
    expect(await s.replaceIfTag('k', bytes('three'), tag)).toBe('stale')
    expect((await s.get('k')).toString()).toBe('two')
    expect(await s.replaceIfTag('gone', bytes('x'), tag)).toBe('stale')
    expect(await s.head('gone')).toBeNull()
  })

  test('of many that replace one version at most one does', async () => {
    const a = await under.open()
    const b = await under.second(a)
    await a.put('k', bytes('one'))
    const { tag } = (await a.head('k'))!
    const answers = await Promise.all(Array.from({ length: 20 }, (_, i) => (i % 2 ? a : b).replaceIfTag('k', bytes(`${i}`), tag)))
    expect(answers.filter((x) => x === 'replaced')).toHaveLength(1)
    expect((await b.get('k')).toString()).toBe(String(answers.indexOf('replaced')))
  })

  test('delete takes away; what is not there is no error', async () => {
    const s = await under.open()
    await s.put('a/b/c', bytes('x'))
    await s.put('a/d', bytes('y'))
    await s.delete(['a/b/c', 'a/zz', 'q/r'])
    await s.delete(['a/b/c'])
    expect(await keysOf(s, '')).toEqual(['a/d'])
  })

  test('a key can be made again after its directory went with it', async () => {
    const s = await under.open()
    for (let i = 0; i < 3; i++) {
      await s.put('a/b/c', bytes(`${i}`))
      await s.delete(['a/b/c'])
    }
    expect(await s.putIfAbsent('a/b/c', bytes('x'))).toBe('created')
  })
}

function listingTests(under: StoreUnderTest): void {
  const KEYS = ['a', 'a-b/x', 'a.b', 'a/.hoodie/1', 'a/0', 'a/b/c', 'a/b/d/e', 'a/b0', 'a0', 'b', 'ü/ö']

  test('a listing is sorted by key, across directories', async () => {
    const s = await under.open()
    for (const key of [...KEYS].reverse().filter((k) => k !== 'a')) await s.put(key, bytes(key))
    expect(await keysOf(s, '')).toEqual(KEYS.filter((k) => k !== 'a'))
  })

  test('prefix and after choose a part of it, wherever they fall', async () => {
    const s = await under.open()
    const keys = KEYS.filter((k) => k !== 'a')
    for (const key of keys) await s.put(key, bytes(key))
    const cuts = ['', 'a', 'a/', 'a/b', 'a/b/', 'a/b/d', 'a0', 'b', 'c', 'a/.hoodie/', 'a/.hoodie0', 'a/.hoodie/0', 'ü']
    for (const prefix of cuts) {
      for (const after of cuts) {
        const want = keys.filter((k) => k.startsWith(prefix) && k > after)
        expect(await keysOf(s, prefix, after), `${prefix} after ${after}`).toEqual(want)
      }
    }
  })

  test('a listing has sizes and tags, and sees every acknowledged put of anybody', async () => {
    const a = await under.open()
    const b = await under.second(a)
    const left = Array.from({ length: 1001 }, (_, i) => i)
    const put = async (): Promise<void> => {
      for (let i = left.shift(); i !== undefined; i = left.shift())
        await (i % 2 ? a : b).putIfAbsent(`d/${String(i).padStart(5, '0')}`, Buffer.alloc(i % 7))
    }
    await Promise.all(Array.from({ length: 20 }, put))
    const seen: number[] = []
    for await (const o of b.list('d/')) {
      expect(o.size).toBe(seen.length % 7)
      if (seen.length === 500) expect(await b.head(o.key)).toEqual(o)
      seen.push(o.size)
    }
    expect(seen).toHaveLength(1001)
  })

  test('a listing can be left early, and goes on while objects go away', async () => {
    const s = await under.open()
    for (let i = 0; i < 10; i++) await s.put(`k${i}`, bytes('x'))
    for await (const o of s.list('')) {
      expect(o.key).toBe('k0')
      break
    }
    const seen: string[] = []
    for await (const o of s.list('')) {
      seen.push(o.key)
      if (o.key === 'k3') await s.delete(['k5', 'k6'])
    }
    expect(seen).toEqual(expect.arrayContaining(['k0', 'k1', 'k2', 'k3', 'k4', 'k7', 'k8', 'k9']))
  })

  test('nothing there is an empty listing', async () => {
    const s = await under.open()
    expect(await keysOf(s, 'none/')).toEqual([])
    expect(await keysOf(s, '')).toEqual([])
  })
}
