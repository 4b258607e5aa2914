import type { Client } from 'pg'
import { LogicalReplicationService } from 'pg-logical-replication'
import { startWork } from './measure.ts'

// Worker of pg-stream.ts: library-stream.ts URL SLOT PUBLICATION ROWS
// What `pg-logical-replication` alone costs: our own pgoutput plugin, no acknowledgement, every Insert counted, nothing decoded.

const [url, slot, publication, rows] = process.argv.slice(2)
const INSERT = 0x49

const plugin = {
  name: 'counting',
  options: null,
  start: (client: Client, slotName: string, lastLsn: string): Promise<unknown> =>
    client.query(`START_REPLICATION SLOT "${slotName}" LOGICAL ${lastLsn} (proto_version '1', publication_names '${publication}')`),
  parse: (buffer: Buffer): number => buffer[0],
}

const report = startWork()
const service = new LogicalReplicationService({ connectionString: url }, { acknowledge: { auto: false, timeoutSeconds: 0 } })
let count = 0
service.on('data', (_lsn, tag: number) => {
  if (tag !== INSERT || ++count < Number(rows)) return
  report(count)
  service.stop().then(() => process.disconnect())
})
service.on('error', (e) => {
  throw e
})
// Ends when stop() closes the connection.
await service.subscribe(plugin, slot)
