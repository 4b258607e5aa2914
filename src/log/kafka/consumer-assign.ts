import type { GroupPartitionsAssigner } from '@platformatic/kafka'

/**
 * Which member of a group brings which partitions in: whole topics as far as they can be shared out evenly, because members that bring in
 * the same table have to wait for each other; a topic with more partitions than a fair share is cut. Every member computes the same.
 */
export const assignTables: GroupPartitionsAssigner = (_current, members, topics, metadata) => {
  const ids = [...members.keys()].sort()
  const loads = ids.map((memberId) => ({ memberId, count: 0, topics: new Map<string, number[]>() }))
  const all = [...topics].sort().map((topic) => ({ topic, partitions: metadata.topics.get(topic)?.partitionsCount ?? 0 }))
  const total = all.reduce((n, t) => n + t.partitions, 0)
  const share = Math.ceil(total / Math.max(1, loads.length))
  // Large topics first: small ones fill what they leave.
  const sorted = all.toSorted((a, b) => b.partitions - a.partitions)
  for (const { topic, partitions } of sorted) {
    for (let next = 0; next < partitions; ) {
      const least = loads.reduce((a, b) => (b.count < a.count ? b : a))
      const fits = partitions - next <= share ? partitions - next : Math.max(1, share - least.count)
      const take = Math.min(fits, partitions - next)
      const list = least.topics.get(topic) ?? []
      for (let i = 0; i < take; i++) list.push(next++)
      least.topics.set(topic, list)
      least.count += take
    }
  }
  return loads.map(({ memberId, topics: owned }) => {
    return { memberId, assignments: new Map([...owned].map(([topic, partitions]) => [topic, { topic, partitions }])) }
  })
}
