import { createHash } from 'node:crypto'

// MariaDB's method client_ed25519: Ed25519 (RFC 8032), but with the password itself where the RFC has a seed of 32 bytes, which is why node:crypto
// cannot sign with it. It runs once per login.

const P = 2n ** 255n - 19n
const ORDER = 2n ** 252n + 27742317777372353535851937790883648493n
const D = mod(-121665n * inverse(121666n), P)
const BASE = point(
  15112221349535400772501151409588531511454012693041857206046113283949847762202n,
  46316835694926478169428394003475163141307993866256225615783033603165251855960n,
)

/** Extended coordinates: x = X/Z, y = Y/Z, T = XY/Z. */
interface Point {
  readonly x: bigint
  readonly y: bigint
  readonly z: bigint
  readonly t: bigint
}

/** The answer (64 bytes) to a challenge of the server. */
export function signEd25519(password: string, challenge: Buffer): Buffer {
  const secret = createHash('sha512').update(password, 'utf8').digest()
  const scalar = (littleEndian(secret.subarray(0, 32)) & ((1n << 254n) - 8n)) | (1n << 254n)
  const publicKey = encode(times(scalar, BASE))
  const nonce = hashed(secret.subarray(32), challenge)
  const commitment = encode(times(nonce, BASE))
  const s = mod(nonce + hashed(commitment, publicKey, challenge) * scalar, ORDER)
  return Buffer.concat([commitment, bytes(s)])
}

/** The public key that the server stores for a password, as it prints it (base64 without padding). */
export function ed25519PublicKey(password: string): string {
  const secret = createHash('sha512').update(password, 'utf8').digest()
  const scalar = (littleEndian(secret.subarray(0, 32)) & ((1n << 254n) - 8n)) | (1n << 254n)
  return encode(times(scalar, BASE)).toString('base64').replace(/=+$/, '')
}

function hashed(...parts: readonly Buffer[]): bigint {
  const hash = createHash('sha512')
  for (const part of parts) hash.update(part)
  return mod(littleEndian(hash.digest()), ORDER)
}

function point(x: bigint, y: bigint): Point {
  return { x, y, z: 1n, t: mod(x * y, P) }
}

function plus(a: Point, b: Point): Point {
  const A = mod((a.y - a.x) * (b.y - b.x), P)
  const B = mod((a.y + a.x) * (b.y + b.x), P)
  const C = mod(2n * D * a.t * b.t, P)
  const Z = mod(2n * a.z * b.z, P)
  const [e, f, g, h] = [B - A, Z - C, Z + C, B + A]
  return { x: mod(e * f, P), y: mod(g * h, P), z: mod(f * g, P), t: mod(e * h, P) }
}

function times(n: bigint, base: Point): Point {
  let sum = point(0n, 1n)
  for (let rest = n, power = base; rest > 0n; rest >>= 1n, power = plus(power, power)) if ((rest & 1n) === 1n) sum = plus(sum, power)
  return sum
}

function encode(p: Point): Buffer {
  const z = inverse(p.z)
  return bytes(mod(p.y * z, P) | ((mod(p.x * z, P) & 1n) << 255n))
}

function littleEndian(b: Buffer): bigint {
  return BigInt(`0x${Buffer.from(b).reverse().toString('hex')}`)
}

function bytes(n: bigint): Buffer {
  return Buffer.from(n.toString(16).padStart(64, '0'), 'hex').reverse()
}

function mod(a: bigint, m: bigint): bigint {
  const r = a % m
  return r < 0n ? r + m : r
}

/** a^(P − 2), by Fermat. */
function inverse(a: bigint): bigint {
  let result = 1n
  for (let e = P - 2n, b = mod(a, P); e > 0n; e >>= 1n, b = mod(b * b, P)) if ((e & 1n) === 1n) result = mod(result * b, P)
  return result
}
