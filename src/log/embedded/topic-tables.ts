import type { TopicTable, TopicTables } from '../../contract/log.ts'
import { assert } from '../../failure/failure.ts'
import { guard, type StateDatabase } from './database.ts'

/** Topic → source table, kept beside the log so that the lake half can start before (or without) the source. */
export function createTopicTables(db: StateDatabase): TopicTables {
  const insert = db.readonly
    ? null
    : guard(db.name, () => db.prepare('INSERT INTO tables (topic, info) VALUES (?, ?) ON CONFLICT (topic) DO NOTHING'))
  const select = guard(db.name, () => db.prepare('SELECT info FROM tables WHERE topic = ?').pluck())
  return {
    put(topic, info) {
      assert(insert !== null, 'a log reader does not describe topics')
      guard(db.name, () => insert.run(topic, JSON.stringify(info)))
    },
    get(topic) {
      const text = guard(db.name, () => select.get(topic)) as string | undefined
      return text === undefined ? null : (JSON.parse(text) as TopicTable)
    },
  }
}
