/** Settings of the connector under which the seeds are run, one after the other; every mode of the spec's types is in one of them. */
export const CONFIGURATIONS: readonly Readonly<Record<string, string>>[] = [
  {},
  { 'decimal.handling.mode': 'string', 'time.precision.mode': 'connect', 'binary.handling.mode': 'base64' },
  { 'provide.transaction.metadata': 'true', 'bigint.unsigned.handling.mode': 'precise', 'time.precision.mode': 'microseconds' },
  { 'decimal.handling.mode': 'double', 'time.precision.mode': 'isostring', 'binary.handling.mode': 'hex' },
  { 'column.propagate.source.type': '.*', 'include.query': 'true', 'include.schema.comments': 'true' },
  { 'time.precision.mode': 'nanoseconds', 'binary.handling.mode': 'base64-url-safe', 'schema.name.adjustment.mode': 'avro' },
  { 'skipped.operations': 'none', 'tombstones.on.delete': 'false', 'provide.transaction.metadata': 'true' },
]
