import type { Incompatibility } from '../avro/compatibility.ts'
import { type CompatibilityLevel, type Conflict, type Direction, rootCauses } from '../avro/levels.ts'

/** A conflict in the form of Confluent's details: one text per difference, then the version, its schema and the level. */
export function conflictMessages(conflict: Conflict, level: CompatibilityLevel, oldSchema: string): readonly string[] {
  return [
    ...[...new Set([...conflict.issues, ...rootCauses(conflict.issues)])].map((i) => issueText(i, conflict.direction)),
    `{oldSchemaVersion: ${conflict.version}}`,
    `{oldSchema: '${oldSchema}'}`,
    `{compatibility: '${level}'}`,
  ]
}

function issueText(issue: Incompatibility, direction: Direction): string {
  const info = issue.kind === 'READER_FIELD_MISSING_DEFAULT_VALUE' ? issue.field : issue.detail
  return `{errorType:'${issue.kind}', description:'${description(issue, direction)}', additionalInfo:'${info}'}`
}

function description(issue: Incompatibility, direction: Direction): string {
  const [reader, writer] = direction === 'backward' ? ['new', 'old'] : ['old', 'new']
  const place = `at path '${issue.path}'${!issue.field.includes('.') ? '' : ` (field ${issue.field})`}`
  switch (issue.kind) {
    case 'READER_FIELD_MISSING_DEFAULT_VALUE':
      return `The field '${issue.detail}' ${place} in the ${reader} schema has no default value and is missing in the ${writer} schema`
    case 'TYPE_MISMATCH':
      return `The type ${place} in the ${reader} schema does not match with the ${writer} schema`
    case 'MISSING_UNION_BRANCH':
      return `The ${reader} schema is missing a type inside a union ${place} that the ${writer} schema has`
    case 'MISSING_ENUM_SYMBOLS':
      return `The ${reader} schema is missing enum symbols '${issue.detail}' ${place} that the ${writer} schema has`
    case 'FIXED_SIZE_MISMATCH':
      return `The size of the fixed type ${place} in the ${reader} schema does not match with the ${writer} schema`
    case 'NAME_MISMATCH':
      return `The name of the schema has changed ${place}`
  }
}
