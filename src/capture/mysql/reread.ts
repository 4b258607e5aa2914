import { Failure } from '../../failure/failure.ts'
import { connectMysql, type SqlConnection } from './connect.ts'
import { announce, type DumpRequest, dumpCommands } from './dump.ts'
import type { MysqlOptions } from './options.ts'
import { type Point, printPoint } from './position.ts'
import type { ServerState } from './server-state.ts'
import type { EventFeed } from './stream.ts'
import { DumpSocket } from './wire/dump-socket.ts'
import { PacketEvents } from './wire/event-source.ts'

/** Ids of replicas have 32 bits; this reader's second connection takes one that nobody is likely to have. */
const SECOND = 0x80000000

/** Reads a part of the binlog again, by file and byte, on a connection of its own. Reading waits while nobody asks for more. */
export async function rereadFrom(
  options: MysqlOptions,
  from: Point,
  name: string,
  state: ServerState,
  failure: (error: unknown) => Failure,
): Promise<EventFeed & { readonly events: PacketEvents }> {
  const connection = await connectMysql(options)
  const serverId = (options.serverId ^ SECOND) >>> 0
  const request = { serverId, name, from, byGtid: false, checksum: state.checksum, includeQuery: options.includeQuery }
  const commands = await begin(connection, request)
  const events = new PacketEvents(state.checksum, 1, () => printPoint(from))
  const socket = new DumpSocket(connection)
  let waiter: PromiseWithResolvers<void> | null = null
  let ended: Failure | null = null
  socket.onChunk = (chunk) => {
    events.inbox.append(chunk)
    socket.pause()
    waiter?.resolve()
    waiter = null
  }
  socket.onEnd = (error) => {
    ended = failure(error ?? new Error('the server closed the connection'))
    waiter?.reject(ended)
    waiter = null
  }
  for (const command of commands) socket.write(command)
  return {
    events,
    next: async () => {
      if (events.ended !== null) {
        throw new Failure('TRB-MY-009', {
          position: printPoint(from),
          reason: events.ended.error?.message ?? 'The server ended the stream',
        })
      }
      if (ended !== null) throw ended
      waiter = Promise.withResolvers()
      const { promise } = waiter
      socket.resume()
      await promise
    },
    close: () => {
      socket.destroy()
      connection.destroy()
    },
  }
}

/**
 * Reads the first large compressed transaction from there on and compares its checksum. Fails with TRB-MY-011, TRB-MY-012 when the server's
 * copy of it is damaged.
 */
export async function verifyLarge(
  options: MysqlOptions,
  from: Point,
  name: string,
  state: ServerState,
  failure: (error: unknown) => Failure,
): Promise<void> {
  const feed = await rereadFrom(options, from, name, state, failure)
  const { events } = feed
  try {
    while (events.beginLarge() === null) {
      if (events.peek()) events.consume()
      else await feed.next()
    }
    for (let part = events.readLarge(); part !== null; part = events.readLarge()) if (part.length === 0) await feed.next()
  } finally {
    feed.close()
  }
}

async function begin(connection: SqlConnection, request: DumpRequest): Promise<readonly Buffer[]> {
  try {
    await announce(connection, request)
    return dumpCommands(connection.flavor, request)
  } catch (e) {
    connection.destroy()
    throw e
  }
}
