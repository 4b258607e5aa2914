import { createPublicKey, verify } from 'node:crypto'
import { expect, test } from 'vitest'
import { ed25519PublicKey, signEd25519 } from '../../../src/capture/mysql/ed25519.ts'

/** Another implementation (OpenSSL's) checks the signature; SubjectPublicKeyInfo has 12 bytes in front of the key. */
function isValid(password: string, challenge: Buffer, signature: Buffer): boolean {
  const key = Buffer.concat([Buffer.from('302a300506032b6570032100', 'hex'), Buffer.from(ed25519PublicKey(password), 'base64')])
  return verify(null, challenge, createPublicKey({ key, format: 'der', type: 'spki' }), signature)
}

test("the key of a password is the one in MariaDB's manual", () => {
  expect(ed25519PublicKey('secret')).toBe('ZIgUREUg5PVgQ6LskhXmO+eZLS0nC8be6HPjYWR4YJY')
})

test('signatures are those of Ed25519', () => {
  for (const [i, password] of ['', 'secret', 'pässwörd', 'x'.repeat(200)].entries()) {
    const challenge = Buffer.alloc(32, i * 37 + 1)
    const signature = signEd25519(password, challenge)
    expect(signature.length).toBe(64)
    expect(isValid(password, challenge, signature)).toBe(true)
    expect(isValid(password, Buffer.alloc(32, 255), signature)).toBe(false)
  }
})
