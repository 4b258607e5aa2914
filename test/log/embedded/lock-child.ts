import { lockState } from '../../../src/log/embedded/state-lock.ts'

// Holds the lock of a state directory until it is killed.
lockState(process.argv[2]!, { pid: process.pid, started: '2026-01-01T00:00:01Z', command: 'child' })
process.stdout.write('locked\n')
setInterval(() => undefined, 1000)
