import { type Incompatibility, incompatibilities } from './compatibility.ts'
import type { AvroSchema } from './schema.ts'

export const LEVELS = ['NONE', 'BACKWARD', 'BACKWARD_TRANSITIVE', 'FORWARD', 'FORWARD_TRANSITIVE', 'FULL', 'FULL_TRANSITIVE'] as const
export type CompatibilityLevel = (typeof LEVELS)[number]

/** backward: the new schema can't read what an earlier one wrote. forward: the earlier one can't read what the new one writes. */
export type Direction = 'backward' | 'forward'

export interface Conflict {
  readonly version: number
  readonly direction: Direction
  readonly issues: readonly Incompatibility[]
}

export interface EarlierVersion {
  readonly version: number
  readonly schema: AvroSchema
}

/**
 * What a level has against a new schema after the earlier ones (oldest first): with the last only, or with all of them (`_TRANSITIVE`);
 * the newest version that it does not go with. Null: nothing. Fails with SchemaError where aliases are ambiguous.
 */
export function conflictOf(level: CompatibilityLevel, schema: AvroSchema, earlier: readonly EarlierVersion[]): Conflict | null {
  const kind = level.replace('_TRANSITIVE', '')
  const against = level.endsWith('_TRANSITIVE') ? earlier : earlier.slice(-1)
  if (kind === 'NONE') return null
  for (const { version, schema: old } of [...against].reverse()) {
    if (kind !== 'FORWARD') {
      const issues = incompatibilities(schema, old)
      if (issues.length > 0) return { version, direction: 'backward', issues }
    }
    if (kind !== 'BACKWARD') {
      const issues = incompatibilities(old, schema)
      if (issues.length > 0) return { version, direction: 'forward', issues }
    }
  }
  return null
}

/** What is at the bottom of the differences: not that a union has no branch for a row, but what of the row does not fit. */
export function rootCauses(issues: readonly Incompatibility[]): readonly Incompatibility[] {
  const found = issues.flatMap((i) => (i.causes.length === 0 ? [i] : rootCauses(i.causes)))
  const seen = new Set<string>()
  return found.filter((i) => {
    const key = `${i.kind} ${columnOf(i)} ${i.detail}`
    return seen.has(key) ? false : seen.add(key)
  })
}

/** In the rows of an envelope the column is what its owner knows. */
function columnOf(issue: Incompatibility): string {
  return issue.field.replace(/^(before|after)\./, '')
}

/** One difference as a sentence for whoever changed the table: which field, and what about it. */
export function describeIssue(issue: Incompatibility, direction: Direction): string {
  const column = columnOf(issue)
  const field = column === '' ? 'the schema itself' : `field ${column}`
  switch (issue.kind) {
    case 'READER_FIELD_MISSING_DEFAULT_VALUE':
      return direction === 'backward'
        ? `${field} is new and has no default`
        : `${field} is gone, and readers with the older schema have no default for it`
    case 'TYPE_MISMATCH':
    case 'MISSING_UNION_BRANCH':
      return direction === 'backward'
        ? `the type of ${field} changed (${issue.detail})`
        : `the type of ${field} changed for older readers (${issue.detail})`
    case 'MISSING_ENUM_SYMBOLS':
      return `${field} lacks the symbols ${issue.detail} that the other schema has`
    case 'FIXED_SIZE_MISMATCH':
      return `the size of ${field} changed (${issue.detail})`
    case 'NAME_MISMATCH':
      return `the name of the type of ${field} changed (${issue.detail})`
  }
}

/** What can be done about it, other than lowering the level. */
export function adviseOn(issue: Incompatibility, direction: Direction): string {
  const column = columnOf(issue)
  if (issue.kind !== 'READER_FIELD_MISSING_DEFAULT_VALUE')
    return `Take the change of ${column === '' ? 'the name' : `column ${column}`} back`
  if (direction === 'backward') return `Let column ${column} be null or have a default (ALTER TABLE … ALTER COLUMN ${column} DROP NOT NULL)`
  return `Put column ${column} back`
}
