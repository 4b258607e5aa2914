import type { ConcurrencySettings } from '../lake/lock/table-concurrency.ts'
import { choice } from './flag.ts'

/** Flags of verbs that commit to tables; named after Hudi's hoodie.write.concurrency.mode and hoodie.write.lock.provider. */
export const concurrencyFlags = {
  'write-concurrency-mode': choice({
    help: 'optimistic_concurrency_control: other writers share the tables; auto: so where a table has a storage-based lock',
    choices: ['auto', 'single_writer', 'optimistic_concurrency_control'],
    default: 'auto',
  }),
  'write-lock-provider': choice({
    help: 'with optimistic_concurrency_control: storage (Hudi’s StorageBasedLockProvider), filesystem (FileSystemBasedLockProvider, on disk)',
    choices: ['storage', 'filesystem'],
    default: 'storage',
  }),
}

export interface ConcurrencyFlagValues {
  readonly 'write-concurrency-mode': ConcurrencySettings['mode']
  readonly 'write-lock-provider': ConcurrencySettings['lock']
}

export function concurrencyOf(flags: ConcurrencyFlagValues): ConcurrencySettings {
  return { mode: flags['write-concurrency-mode'], lock: flags['write-lock-provider'] }
}
