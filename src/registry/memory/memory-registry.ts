import type { SchemaRegistry } from '../../contract/log.ts'
import { Failure } from '../../failure/failure.ts'

/** A registry that lives as long as the process: for `cdc tail` and tests. */
export class MemoryRegistry implements SchemaRegistry {
  readonly #ids = new Map<string, number>()
  readonly #texts: string[] = []

  register(_subject: string, schemaText: string): Promise<number> {
    let id = this.#ids.get(schemaText)
    if (id === undefined) {
      id = this.#texts.push(schemaText)
      this.#ids.set(schemaText, id)
    }
    return Promise.resolve(id)
  }

  schema(id: number): Promise<string> {
    return Promise.resolve(this.schemaText(id))
  }

  /** As `schema`, without a promise. Fails with TRB-ENV-006. */
  schemaText(id: number): string {
    const text = this.#texts[id - 1]
    if (text === undefined) throw new Failure('TRB-ENV-006', { id })
    return text
  }
}
