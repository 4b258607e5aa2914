import avsc from 'avsc'
import { expect, test } from 'vitest'
import { readContainer } from '../../../src/lake/metadata/avro-container.ts'
import {
  parseRollbackMetadata,
  parseRollbackPlan,
  printRollbackMetadata,
  printRollbackPlan,
} from '../../../src/lake/metadata/rollback-files.ts'
import { goldenFiles } from '../../support/golden-table.ts'

const FILES = goldenFiles('v6_cow_rollback_done')
const PLAN = FILES.get('.hoodie/20261121035323672.rollback.requested')!
const DONE = FILES.get('.hoodie/20261121035323672.rollback')!
const syncOf = (file: Buffer): Buffer => file.subarray(-16)

test('the plan of a rollback that Spark wrote is read, and printed back byte for byte', () => {
  const plan = parseRollbackPlan(PLAN, 'plan')
  expect(plan.target).toEqual({ time: '20261121035313556', action: 'commit' })
  expect(plan.requests.map((r) => r.partitionPath)).toEqual(['us', 'ap', 'eu'])
  expect(plan.requests[0].filesToBeDeleted[0]).toMatch(/^\/lake\/.*_20261121035313556\.parquet$/)
  const mine = printRollbackPlan(plan, syncOf(PLAN))
  expect(bodyOf(mine)).toEqual(bodyOf(PLAN))
  expect(mine.equals(PLAN)).toBe(true)
})

test('the metadata of a rollback that Spark wrote is read, and printed back byte for byte', () => {
  const done = parseRollbackMetadata(DONE, 'done')
  expect(done).toMatchObject({ time: '20261121035323672', target: { time: '20261121035313556', action: 'commit' } })
  expect([...done.deleted.values()].flat()).toHaveLength(3)
  const mine = printRollbackMetadata(done, syncOf(DONE))
  expect(bodyOf(mine)).toEqual(bodyOf(DONE))
  expect(mine.equals(DONE)).toBe(true)
})

test("avsc's own container reader agrees", async () => {
  const plan = parseRollbackPlan(PLAN, 'plan')
  const decoder = new avsc.streams.BlockDecoder()
  const records: unknown[] = []
  decoder.on('data', (r: unknown) => records.push(r))
  const end = new Promise((resolve) => decoder.on('end', resolve))
  decoder.end(printRollbackPlan(plan, Buffer.alloc(16, 1)))
  await end
  expect(JSON.stringify(records[0])).toContain('20261121035313556')
})

test('the rollback of a delta commit that Spark made, with its log files, is read, and printed back byte for byte', () => {
  const files = goldenFiles('v6_mor_rollback_done')
  const planned = files.get('.hoodie/20261121033429663.rollback.requested')!
  const plan = parseRollbackPlan(planned, 'plan')
  expect(plan.requests.filter((r) => r.logBlocksToBeDeleted.size > 0).map((r) => r.latestBaseInstant)).toEqual(
    new Array(3).fill('20261121033316683'),
  )
  expect(printRollbackPlan(plan, syncOf(planned)).equals(planned)).toBe(true)
  const finished = files.get('.hoodie/20261121033429663.rollback')!
  const done = parseRollbackMetadata(finished, 'done')
  expect([...done.logs!.get('eu')!.appended.values()]).toEqual([105])
  expect(printRollbackMetadata(done, syncOf(finished)).equals(finished)).toBe(true)
})

test('a torn or foreign container is an error, at every length', () => {
  for (let length = 0; length < PLAN.length; length += 7) {
    expect(() => readContainer(PLAN.subarray(0, length), 'f'), `${length}`).toThrow(expect.objectContaining({ code: 'TRB-LAKE-004' }))
  }
})

/** Readable difference before the comparison of bytes. */
function bodyOf(file: Buffer): string {
  return file.toString('latin1')
}
