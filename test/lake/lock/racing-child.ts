import { systemClock } from '../../../src/cli/clock.ts'
import { DiskStore } from '../../../src/storage/disk/disk-store.ts'
import { racer } from './racing.ts'

// One writer of a race in a process of its own; prints each line that it has committed.  racing-child.ts DIRECTORY ID COUNT
const [root, id, count] = process.argv.slice(2) as [string, string, string]
await racer(new DiskStore(root, systemClock), systemClock, Number(id), Number(count), (line) => process.stdout.write(`${line}\n`))
