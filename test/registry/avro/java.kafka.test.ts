import fc from 'fast-check'
import { expect, test } from 'vitest'
import { MATRIX } from './matrix.ts'
import { javaVerdicts, ourVerdict } from './oracle.ts'
import { schemaPair } from './random-schema.ts'
import { recordedVerdicts, recordVerdicts } from './verdicts.ts'

test('schemas and their compatibility are judged as by the newest Avro of Java: recorded pairs and new random ones', async () => {
  const seed = Number(process.env['TRIBUTARY_SEED'] ?? Math.floor(Math.random() * 2 ** 31))
  const fresh = fc.sample(schemaPair, { numRuns: 4000, seed })
  if (process.env['TRIBUTARY_RECORD'] !== undefined) {
    const pairs = [...MATRIX, ...fresh.slice(0, 600)]
    const said = await javaVerdicts(pairs)
    recordVerdicts(pairs.map((p, i) => ({ ...p, verdict: said[i]! })))
  }
  const recorded = recordedVerdicts()
  const said = await javaVerdicts([...recorded, ...fresh])
  expect(said.slice(0, recorded.length)).toEqual(recorded.map((r) => r.verdict))
  const different = fresh.flatMap((pair, i) => {
    const [java, ours] = [said[recorded.length + i], ourVerdict(pair)]
    return JSON.stringify(java) === JSON.stringify(ours) ? [] : [{ pair, java, ours }]
  })
  expect(different.slice(0, 3), `TRIBUTARY_SEED=${seed}`).toEqual([])
  // The sample is worth something: it has enough of each outcome.
  const issues = said.map((v) => v.issues?.length ?? -1)
  for (const wanted of [-1, 0, 1]) expect(issues.filter((n) => n === wanted).length).toBeGreaterThan(200)
}, 180_000)
