/** The part of a `ChangeBatch` that has the changes, of one that has none and only moves the position. */
export const NO_CHANGES = {
  arena: Buffer.alloc(0),
  bytes: 0,
  count: 0,
  tables: [],
  table: new Int32Array(0),
  op: new Uint8Array(0),
  mark: new Uint8Array(0),
  before: new Int32Array(0),
  after: new Int32Array(0),
  beforeKind: new Uint8Array(0),
  placeHi: new Uint32Array(0),
  placeLo: new Uint32Array(0),
} as const
