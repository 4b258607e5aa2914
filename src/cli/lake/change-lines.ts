import type { LakeColumn } from '../../contract/columns.ts'
import { rowObject } from '../../format/json/row-lines.ts'
import type { ChangeBatch } from '../../lake/read/cdc.ts'

/** Changes as JSON lines: `{"op":"u","ts_ms":"<commit>","before":{…},"after":{…}}`, the names of Hudi's own change data query. */
export function changeLines(columns: readonly LakeColumn[]): (batch: ChangeBatch) => string {
  const object = rowObject(columns)
  return ({ op, commit, count, before, after }) => {
    let out = ''
    for (let r = 0; r < count; r++) {
      const images = [before, after].map((x) => (x === null ? 'null' : object(x.vectors, r)))
      out += `{"op":"${op}","ts_ms":"${commit}","before":${images[0]!},"after":${images[1]!}}\n`
    }
    return out
  }
}
