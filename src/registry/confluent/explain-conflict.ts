import { Failure, isFailure } from '../../failure/failure.ts'
import { SchemaError } from '../avro/json.ts'
import { adviseOn, type Conflict, conflictOf, describeIssue, type EarlierVersion, LEVELS, rootCauses } from '../avro/levels.ts'
import { parseSchema } from '../avro/parse-schema.ts'
import type { RegistryAnswer, RegistryHttp } from './registry-http.ts'

/** More versions than anyone looks at: the newest are the ones that conflict. */
const MAX_VERSIONS = 50

/**
 * The Failure for a 409: which level, which field and what to do. Registries word it differently or not at all, so the level and the earlier
 * versions are asked for and compared here; `detail`, the registry's own text, is what remains when they don't tell.
 */
export async function explainConflict(http: RegistryHttp, subject: string, schemaText: string, detail: string): Promise<Failure> {
  const level = (await levelOf(http, subject)) ?? 'unknown'
  const url = http.name.split(',')[0]!
  const put = `curl -X PUT -H 'content-type: application/vnd.schemaregistry.v1+json' -d '{"compatibility":"NONE"}'`
  const lower = `${put} ${url}/config/${encodeURIComponent(subject)}`
  const conflict = await conflictWith(http, subject, schemaText, level)
  if (conflict === null) {
    return new Failure('TRB-REG-002', { subject, level, url, problem: detail, advice: `Allow the change: ${lower}` })
  }
  const { version, direction } = conflict
  const issues = rootCauses(conflict.issues)
  const said = issues.slice(0, 3).map((i) => describeIssue(i, direction))
  const problem = `${said.join('; ')}${issues.length > 3 ? `; and ${issues.length - 3} more` : ''} (compared with version ${version})`
  const advice = `${adviseOn(issues[0]!, direction)}; or allow the change: ${lower}`
  return new Failure('TRB-REG-002', { subject, level, url, problem, advice })
}

async function conflictWith(http: RegistryHttp, subject: string, schemaText: string, level: string): Promise<Conflict | null> {
  const known = LEVELS.find((l) => l === level)
  if (known === undefined) return null
  try {
    return conflictOf(known, parseSchema(schemaText), await earlierVersions(http, subject))
  } catch (e) {
    // A version with references, or one that our rules refuse: then the registry's own words have to do.
    if (e instanceof SchemaError) return null
    throw e
  }
}

async function earlierVersions(http: RegistryHttp, subject: string): Promise<readonly EarlierVersion[]> {
  const path = `/subjects/${encodeURIComponent(subject)}/versions`
  const list = (await told(http, path))?.body
  const versions = Array.isArray(list) ? list.filter((v) => Number.isInteger(v)).slice(-MAX_VERSIONS) : []
  const earlier: EarlierVersion[] = []
  for (const version of versions as readonly number[]) {
    const body = (await told(http, `${path}/${version}`))?.body as { schema?: unknown } | undefined
    if (typeof body?.schema === 'string') earlier.push({ version, schema: parseSchema(body.schema) })
  }
  return earlier
}

/**
 * Level in force for a subject that refused a schema; null when the registry won't tell. NONE refuses nothing: Apicurio says it of a subject
 * without a level of its own.
 */
async function levelOf(http: RegistryHttp, subject: string): Promise<string | null> {
  for (const path of [`/config/${encodeURIComponent(subject)}`, '/config']) {
    const level = ((await told(http, path))?.body as { compatibilityLevel?: unknown } | undefined)?.compatibilityLevel
    if (typeof level === 'string' && level !== 'NONE') return level
  }
  return null
}

/** What only makes a message better must not replace it by another error: null when there is no answer. */
async function told(http: RegistryHttp, path: string): Promise<RegistryAnswer | null> {
  try {
    const answer = await http.ask('GET', path, undefined, 0)
    return answer.status === 200 ? answer : null
  } catch (e) {
    if (isFailure(e)) return null
    throw e
  }
}
