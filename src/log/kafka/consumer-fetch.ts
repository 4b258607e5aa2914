import { type Connection, fetchV17, type Reader, readKnownTaggedFields } from '@platformatic/kafka'
import type { AbortedTransaction } from './consumer-batches.ts'

/** What the broker holds of one partition from an offset on; its record batches as they came. */
export interface FetchedPartition {
  /** Kafka's error code; 0: none. */
  readonly error: number
  /** Records below it belong to ended transactions. */
  readonly lastStableOffset: number
  /** First offset that is still held. */
  readonly logStart: number
  readonly aborted: readonly AbortedTransaction[]
  readonly bytes: Buffer
}

export interface FetchRequest {
  readonly topicId: string
  readonly partition: number
  readonly offset: number
  readonly maxBytes: number
  readonly maxWaitMs: number
}

const FETCH = 1
const VERSION = 17
const READ_COMMITTED = 1
const NONE = Buffer.alloc(0)

/** Fetches from one partition without a session, and leaves its records undecoded: an object for each would cost more than all the rest. */
export async function fetchPartition(connection: Connection, r: FetchRequest): Promise<FetchedPartition> {
  const partition = {
    partition: r.partition,
    currentLeaderEpoch: -1,
    fetchOffset: BigInt(r.offset),
    lastFetchedEpoch: -1,
    partitionMaxBytes: r.maxBytes,
  }
  const topics = [{ topicId: r.topicId, partitions: [partition] }]
  const request = () => fetchV17.createRequest(r.maxWaitMs, 1, r.maxBytes, READ_COMMITTED, 0, -1, topics, [], '')
  return await new Promise((resolve, reject) => {
    connection.send<FetchedPartition>(FETCH, VERSION, request, parseAnswer, true, true, (error, answer) => {
      if (error) reject(error)
      else resolve(answer as FetchedPartition)
    })
  })
}

/**
 * Fetch response, version 17, of one partition:
 *   throttle:i32 error:i16 session:i32 topics:compact[ id:uuid partitions:compact[ index:i32 error:i16 highWatermark:i64 lastStable:i64
 *   logStart:i64 aborted:compact-nullable[ producer:i64 first:i64 tags ] preferredReplica:i32 records:compact-nullable-bytes tags ] tags ] tags
 */
function parseAnswer(_correlation: number, _key: number, _version: number, reader: Reader): FetchedPartition {
  reader.readInt32()
  const error = reader.readInt16()
  reader.readInt32()
  let found: FetchedPartition = { error, lastStableOffset: -1, logStart: -1, aborted: [], bytes: NONE }
  reader.readArray((r) => {
    r.readUUID()
    r.readArray(
      (p) => {
        found = parsePartition(p)
      },
      true,
      false,
    )
  })
  return found
}

function parsePartition(r: Reader): FetchedPartition {
  r.readInt32()
  const error = r.readInt16()
  r.readInt64()
  const lastStableOffset = Number(r.readInt64())
  const logStart = Number(r.readInt64())
  const aborted = r.readNullableArray((a) => ({ producerId: a.readInt64(), firstOffset: a.readInt64() })) ?? []
  r.readInt32()
  const length = r.readUnsignedVarInt() - 1
  let bytes: Buffer = NONE
  if (length > 0) {
    bytes = r.buffer.slice(r.position, r.position + length)
    r.skip(length)
  }
  readKnownTaggedFields(r, {})
  aborted.sort((a, b) => (a.firstOffset < b.firstOffset ? -1 : 1))
  return { error, lastStableOffset, logStart, aborted, bytes }
}
