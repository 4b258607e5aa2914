import { expect, test } from 'vitest'
import type { ChangeSource } from '../../src/contract/change.ts'
import type { CaptureOptions } from '../../src/pipeline/capture.ts'
import { type LakeHalf, runPipeline } from '../../src/pipeline/run.ts'

test('when the lake half fails, its failure is what is thrown, not the connection that was cut because of it', async () => {
  const cause = new Error('the lake is full')
  let fail = (_e: Error): void => undefined
  const ended = new Promise<void>((_, reject) => {
    fail = reject
  })
  let closed = 0
  const lake: LakeHalf = { advance: () => undefined, drain: async () => undefined, ended, close: async () => void closed++ }
  const source: ChangeSource = {
    check: async () => [],
    compare: () => 0,
    close: async () => undefined,
    open: (_, signal) =>
      new Promise((_resolve, reject) => signal.addEventListener('abort', () => reject(new Error('connection cut')), { once: true })),
  }
  const log = { cursor: () => null } as unknown as CaptureOptions['log']
  const options = { name: 's', database: 'd', source, log, appendBytes: 1 } as unknown as CaptureOptions
  const running = runPipeline(options, lake, false, new AbortController().signal)
  fail(cause)
  await expect(running).rejects.toBe(cause)
  expect(closed).toBe(1)
})
