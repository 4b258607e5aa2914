/** What is known of one column of MySQL or MariaDB: from INFORMATION_SCHEMA, or from the metadata of a TABLE_MAP event alone. */
export interface MysqlColumn {
  readonly name: string
  /** `DATA_TYPE`, lower case: `int`, `varchar`, `json`, `inet6` … */
  readonly dataType: string
  /** `COLUMN_TYPE`, the whole type as SHOW CREATE TABLE prints it: `int(6) unsigned zerofill`. */
  readonly columnType: string
  readonly unsigned: boolean
  readonly notNull: boolean
  /** Characters (bytes for binary types); null where the type has none. */
  readonly length: number | null
  /** Digits of a decimal, M of FLOAT(M,D), bits of BIT; null where the type has none or none was given. */
  readonly precision: number | null
  readonly scale: number | null
  /** Digits of fractional seconds, 0 to 6. */
  readonly fraction: number
  /** Character set of the column (`binary` for none), null for types without text. */
  readonly charset: string | null
  /** Labels of ENUM and SET in order. */
  readonly values: readonly string[] | null
  /** Default as INFORMATION_SCHEMA has it: text without quotes; null: none, or NULL. */
  readonly defaultText: string | null
  /** The default is an expression or CURRENT_TIMESTAMP, not a literal. */
  readonly defaultExpression: boolean
  readonly generated: boolean
  readonly autoIncrement: boolean
  readonly comment: string
}

/** How a column lies in a row of the binlog. */
export interface BinlogField {
  /** Type byte; that of a STRING which is an ENUM or SET is resolved. */
  readonly type: number
  /** Its metadata in the form of TableMap.meta (wire/table-map.ts). */
  readonly meta: number
}
