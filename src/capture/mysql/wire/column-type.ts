/** Column types as binlogs name them (enum_field_types), MariaDB's own at 140 and 141. */
export const T = {
  DECIMAL: 0,
  TINY: 1,
  SHORT: 2,
  LONG: 3,
  FLOAT: 4,
  DOUBLE: 5,
  NULL: 6,
  TIMESTAMP: 7,
  LONGLONG: 8,
  INT24: 9,
  DATE: 10,
  TIME: 11,
  DATETIME: 12,
  YEAR: 13,
  NEWDATE: 14,
  VARCHAR: 15,
  BIT: 16,
  TIMESTAMP2: 17,
  DATETIME2: 18,
  TIME2: 19,
  TYPED_ARRAY: 20,
  BLOB_COMPRESSED: 140,
  VARCHAR_COMPRESSED: 141,
  VECTOR: 242,
  JSON: 245,
  NEWDECIMAL: 246,
  ENUM: 247,
  SET: 248,
  TINY_BLOB: 249,
  MEDIUM_BLOB: 250,
  LONG_BLOB: 251,
  BLOB: 252,
  VAR_STRING: 253,
  STRING: 254,
  GEOMETRY: 255,
} as const

/** Bytes of metadata that a TABLE_MAP holds for a column of this type; −1: a type that no known server writes. */
export function metaBytes(type: number): number {
  switch (type) {
    case T.FLOAT:
    case T.DOUBLE:
    case T.TINY_BLOB:
    case T.MEDIUM_BLOB:
    case T.LONG_BLOB:
    case T.BLOB:
    case T.BLOB_COMPRESSED:
    case T.GEOMETRY:
    case T.JSON:
    case T.VECTOR:
    case T.TIME2:
    case T.DATETIME2:
    case T.TIMESTAMP2:
      return 1
    case T.VARCHAR:
    case T.VARCHAR_COMPRESSED:
    case T.VAR_STRING:
    case T.STRING:
    case T.BIT:
    case T.NEWDECIMAL:
    case T.ENUM:
    case T.SET:
      return 2
    case T.TINY:
    case T.SHORT:
    case T.LONG:
    case T.NULL:
    case T.TIMESTAMP:
    case T.LONGLONG:
    case T.INT24:
    case T.DATE:
    case T.TIME:
    case T.DATETIME:
    case T.YEAR:
    case T.NEWDATE:
      return 0
    default:
      return -1
  }
}

/** Columns that the SIGNEDNESS metadata has a bit for. */
export function isNumeric(type: number): boolean {
  switch (type) {
    case T.TINY:
    case T.SHORT:
    case T.INT24:
    case T.LONG:
    case T.LONGLONG:
    case T.NEWDECIMAL:
    case T.FLOAT:
    case T.DOUBLE:
    case T.YEAR:
      return true
    default:
      return false
  }
}

/** Columns that the charset metadata has an entry for: text and binary strings, not enums and sets. */
export function isCharacter(type: number): boolean {
  switch (type) {
    case T.STRING:
    case T.VAR_STRING:
    case T.VARCHAR:
    case T.VARCHAR_COMPRESSED:
    case T.BLOB_COMPRESSED:
    case T.BLOB:
    case T.TINY_BLOB:
    case T.MEDIUM_BLOB:
    case T.LONG_BLOB:
      return true
    default:
      return false
  }
}

const DECIMAL_BYTES = [0, 1, 1, 2, 2, 3, 3, 4, 4, 4]

/** Bytes of a NEWDECIMAL: nine digits in four bytes on each side of the point, fewer for what is left. */
export function decimalBytes(precision: number, scale: number): number {
  const whole = precision - scale
  return Math.floor(whole / 9) * 4 + DECIMAL_BYTES[whole % 9] + Math.floor(scale / 9) * 4 + DECIMAL_BYTES[scale % 9]
}
