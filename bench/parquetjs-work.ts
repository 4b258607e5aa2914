import { createRequire } from 'node:module'
import { startWork } from './measure.ts'

// Worker of cow-upsert.ts: parquetjs-work.ts FILE ROWS
// The 12 columns by parquetjs-lite, row objects made outside of the measured part. It has no DECIMAL: amounts go in as doubles.

interface Writer {
  appendRow(row: object): Promise<void>
  close(): Promise<void>
}
interface Library {
  readonly ParquetSchema: new (fields: object) => object
  readonly ParquetWriter: { openFile(schema: object, path: string): Promise<Writer> }
}

const library = createRequire(import.meta.url)('parquetjs-lite') as Library
const [file, count] = process.argv.slice(2)
const column = (type: string): object => ({ type, optional: true, compression: 'SNAPPY' })
const TYPES = {
  INT64: ['id', 'customer', 'ts'],
  INT32: ['qty', 'day'],
  DOUBLE: ['price', 'amount'],
  BOOLEAN: ['active'],
  TIMESTAMP_MICROS: ['at'],
}
const text = ['status', 'note', 'email'].map((n) => [n, column('UTF8')] as const)
const others = Object.entries(TYPES).flatMap(([type, names]) => names.map((n) => [n, column(type)] as const))
const schema = new library.ParquetSchema(Object.fromEntries([...others, ...text]))
const rows = Array.from({ length: Number(count) }, (_, i) => ({
  id: i,
  customer: i % 977,
  ts: i,
  qty: (i * 7) % 1000,
  day: i % 20000,
  price: (i % 100000) / 7,
  amount: ((i * 13) % 1000000) / 100,
  active: i % 2 === 0,
  at: 1_767_225_600_000_000 + i * 1000,
  status: ['NEW', 'PAID', 'PACKED', 'SHIPPED', 'DELIVERED'][i % 5],
  note: i % 3 === 0 ? null : `some note about order number ${i}, long enough to make the row about two hundred bytes wide`,
  email: `user${i}@example.com`,
}))

const report = startWork()
const writer = await library.ParquetWriter.openFile(schema, file)
for (const row of rows) await writer.appendRow(row)
await writer.close()
report(rows.length)
process.disconnect()
