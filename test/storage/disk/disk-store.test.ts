import { mkdir, mkdtemp, readdir, rm, symlink, utimes, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { diskFailure } from '../../../src/storage/disk/disk-failure.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { keysOf, objectStoreSuite } from '../../conformance/object-store.ts'
import { fixedClock } from '../../support/fixed-clock.ts'

let root = ''
let next = 0
const clock = fixedClock(Date.now())

beforeAll(async () => {
  root = await mkdtemp(join(tmpdir(), 'trib-store-'))
})

afterAll(async () => {
  await rm(root, { recursive: true, force: true })
})

const fresh = (): DiskStore => new DiskStore(join(root, `s${next++}`), clock)

describe('disk store', () => {
  objectStoreSuite({
    open: async () => fresh(),
    second: async (store) => new DiskStore(store.root, clock),
  })
})

test('directories go with their last object, but not the root', async () => {
  const s = fresh()
  await s.put('a/b/c/d', Buffer.from('x'))
  await s.put('a/e', Buffer.from('x'))
  await s.delete(['a/b/c/d'])
  expect((await readdir(join(s.root, 'a'))).sort()).toEqual(['e'])
  await s.delete(['a/e'])
  expect(await readdir(s.root)).toEqual(['.tributary'])
})

test('nothing temporary stays after writes, conflicts and aborts', async () => {
  const s = fresh()
  await s.put('a', Buffer.from('x'))
  await s.putIfAbsent('a', Buffer.from('y'))
  await s.replaceIfTag('a', Buffer.from('z'), 'no such tag')
  await (await s.writer('b')).abort()
  expect(await readdir(join(s.root, '.tributary/tmp'))).toEqual([])
})

test('temporary files of dead writers are invisible, and swept after a day', async () => {
  const s = fresh()
  const temporary = join(s.root, '.tributary/tmp')
  await mkdir(temporary, { recursive: true })
  await writeFile(join(temporary, 'old'), 'x')
  await writeFile(join(temporary, 'new'), 'x')
  const old = Date.now() / 1000 - 25 * 3600
  await utimes(join(temporary, 'old'), old, old)
  expect(await keysOf(s, '')).toEqual([])
  await s.put('k', Buffer.from('x'))
  expect(await readdir(temporary)).toEqual(['new'])
  expect(await keysOf(s, '')).toEqual(['k'])
})

test('a replacement that died does not block the next one for ever', async () => {
  const s = fresh()
  await s.put('k', Buffer.from('x'))
  const { tag } = (await s.head('k'))!
  const lock = join(s.root, '.tributary/tmp', `replace-${Buffer.from('k').toString('base64url')}`)
  await writeFile(lock, '')
  expect(await s.replaceIfTag('k', Buffer.from('y'), tag)).toBe('stale')
  const old = Date.now() / 1000 - 60
  await utimes(lock, old, old)
  expect(await s.replaceIfTag('k', Buffer.from('y'), tag)).toBe('replaced')
})

test('linked directories are followed, broken links left out', async () => {
  const s = fresh()
  await s.put('real/x', Buffer.from('1'))
  await symlink(join(s.root, 'real'), join(s.root, 'linked'))
  await symlink('/nowhere/at/all', join(s.root, 'broken'))
  expect(await keysOf(s, '')).toEqual(['linked/x', 'real/x'])
})

test('a root that is a file fails with TRB-STORE-006', async () => {
  const path = join(root, `f${next++}`)
  await writeFile(path, 'x')
  const s = new DiskStore(path, clock)
  await expect(keysOf(s, '')).rejects.toMatchObject({ code: 'TRB-STORE-006' })
  await expect(s.put('k', Buffer.from('x'))).rejects.toMatchObject({ code: 'TRB-STORE-006' })
})

test.each([
  ['ENOSPC', 'TRB-STORE-003'],
  ['EDQUOT', 'TRB-STORE-003'],
  ['EACCES', 'TRB-STORE-002'],
  ['EROFS', 'TRB-STORE-002'],
  ['EIO', 'TRB-STORE-004'],
  ['ENOENT', 'TRB-STORE-001'],
])('%s of the system is %s', (system, code) => {
  const failure = diskFailure(Object.assign(new Error(system), { code: system }), '/lake', 'a/b')
  expect(failure.code).toBe(code)
  expect(failure.explain().what).toContain('a/b')
  expect(diskFailure(failure, 'other', 'other')).toBe(failure)
})

test('a file system without hard links is named: TRB-STORE-008', () => {
  const of = (syscall: string): string => diskFailure(Object.assign(new Error('EPERM'), { code: 'EPERM', syscall }), '/lake', 'k').code
  expect([of('link'), of('open')]).toEqual(['TRB-STORE-008', 'TRB-STORE-002'])
})
