/** Data topic of a table: `<prefix>.<schema>.<table>`, characters that Kafka does not allow replaced by `_`. */
export function topicName(prefix: string, schema: string, table: string): string {
  return `${prefix}.${schema}.${table}`.replace(/[^a-zA-Z0-9._-]/g, '_')
}
