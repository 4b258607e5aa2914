import type { RecordRun } from '../../contract/log.ts'
import { assert } from '../../failure/failure.ts'

/**
 * The transaction runs of a stored batch.
 *
 *   runs => run*                     until the end of the bytes
 *   run  => count:varint shared:varint suffix:varint suffixBytes commitUs:zz64
 *
 * `commit` is front-coded: its first `shared` bytes are those of the run before. `commitUs` is the difference to the run before.
 * Neighbouring transactions differ in their last digits only, so a run costs about eight bytes.
 */
export function writeRuns(runs: readonly RecordRun[]): Buffer {
  let out = Buffer.allocUnsafe(32 + runs.length * 16)
  let pos = 0
  let before = Buffer.alloc(0)
  let beforeUs = 0n
  for (const run of runs) {
    const commit = Buffer.from(run.commit, 'latin1')
    if (pos + 40 + commit.length > out.length) out = Buffer.concat([out], out.length * 2 + commit.length)
    let shared = 0
    while (shared < commit.length && shared < before.length && commit[shared] === before[shared]) shared++
    pos = putVarint(out, pos, BigInt(run.count))
    pos = putVarint(out, pos, BigInt(shared))
    pos = putVarint(out, pos, BigInt(commit.length - shared))
    pos += commit.copy(out, pos, shared)
    const delta = run.commitUs - beforeUs
    pos = putVarint(out, pos, BigInt.asUintN(64, (delta << 1n) ^ (delta >> 63n)))
    before = commit
    beforeUs = run.commitUs
  }
  return out.subarray(0, pos)
}

/** The reverse of writeRuns. Fails with TRB-INT-001 on bytes it did not write (the caller has checked their CRC). */
export function readRuns(bytes: Buffer): RecordRun[] {
  const runs: RecordRun[] = []
  const at = { pos: 0 }
  let before = ''
  let beforeUs = 0n
  while (at.pos < bytes.length) {
    const count = Number(getVarint(bytes, at))
    const shared = Number(getVarint(bytes, at))
    const suffix = Number(getVarint(bytes, at))
    assert(at.pos + suffix <= bytes.length, 'a run ends inside the run list')
    const commit = before.slice(0, shared) + bytes.toString('latin1', at.pos, at.pos + suffix)
    at.pos += suffix
    const zigzag = getVarint(bytes, at)
    const commitUs = beforeUs + BigInt.asIntN(64, (zigzag >> 1n) ^ -(zigzag & 1n))
    runs.push({ count, commit, commitUs })
    before = commit
    beforeUs = commitUs
  }
  return runs
}

function putVarint(out: Buffer, start: number, value: bigint): number {
  let v = value
  let pos = start
  while (v > 0x7fn) {
    out[pos++] = Number(v & 0x7fn) | 0x80
    v >>= 7n
  }
  out[pos++] = Number(v)
  return pos
}

function getVarint(bytes: Buffer, at: { pos: number }): bigint {
  let value = 0n
  for (let shift = 0n; shift < 70n; shift += 7n) {
    assert(at.pos < bytes.length, 'a varint ends inside the run list')
    const byte = bytes[at.pos++]!
    value |= BigInt(byte & 0x7f) << shift
    if (byte < 0x80) return value
  }
  assert(false, 'a varint has at most ten bytes')
}
