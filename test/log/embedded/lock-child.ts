import { lockState } from '../../../src/log/embedded/state-lock.ts'

// Holds the lock of a state directory until it is killed, through garbage collections, though it keeps no reference to it.
lockState(process.argv[2]!, { pid: process.pid, started: '2026-01-01T00:00:01Z', command: 'child' })
const collect = (globalThis as { gc?: () => void }).gc
if (collect === undefined) throw new Error('start with --expose-gc')
collect()
// Finalizers run after the collection, in a later turn.
setTimeout(() => process.stdout.write('locked\n'), 20)
setInterval(() => undefined, 1000)
