import { createPrivateKey, createPublicKey, type KeyObject } from 'node:crypto';

import { DeltaError } from '../../errors.ts';

/** A key in libostree's form is its raw 32 bytes; before a secret key's public half stands the seed. */
const KEY_BYTES = 32;

/** The bytes before a raw key in PKCS #8 and in SubjectPublicKeyInfo (RFC 8410, section 10). */
const PKCS8_PREFIX = Buffer.from('302e020100300506032b657004220420', 'hex');
const SPKI_PREFIX = Buffer.from('302a300506032b6570032100', 'hex');

/** Characters of a key file. */
const MAX_LENGTH = 1024 * 1024;

/**
 * The secret key in the text of a key file: base64 of the seed and the public key (64 bytes), as
 * `ostree sign` takes it. Throws `bad_format` for another length, for several keys, and when the
 * public half is not the seed's; the text is never part of the message.
 */
export function parseSecretKey(text: string): KeyObject {
  const [bytes, ...rest] = keysOf(text, 2 * KEY_BYTES, 'secret key');
  if (bytes === undefined || rest.length > 0) throw broken('secret key', 'there must be one');
  const key = createPrivateKey({
    key: Buffer.concat([PKCS8_PREFIX, bytes.subarray(0, KEY_BYTES)]),
    format: 'der',
    type: 'pkcs8',
  });
  if (!rawPublicKey(key).equals(bytes.subarray(KEY_BYTES))) {
    throw broken('secret key', 'its public half belongs to another');
  }
  return key;
}

/** The public keys in the text of a key file: base64 of 32 bytes, one a line. Throws `bad_format`. */
export function parsePublicKeys(text: string): readonly KeyObject[] {
  return keysOf(text, KEY_BYTES, 'public key').map((bytes) =>
    createPublicKey({ key: Buffer.concat([SPKI_PREFIX, bytes]), format: 'der', type: 'spki' }),
  );
}

/** The public key of either key as libostree's key files hold it: base64 of 32 bytes. */
export function formatPublicKey(key: KeyObject): string {
  return rawPublicKey(key).toString('base64');
}

function rawPublicKey(key: KeyObject): Buffer {
  const publicKey = key.type === 'private' ? createPublicKey(key) : key;
  return publicKey.export({ format: 'der', type: 'spki' }).subarray(SPKI_PREFIX.length);
}

function keysOf(text: string, keyBytes: number, what: string): Buffer[] {
  if (text.length > MAX_LENGTH) throw broken(what, `the file has ${text.length} characters`);
  const lines = text.split('\n').map((line) => line.trim());
  return lines.flatMap((line, index) => {
    if (line === '') return [];
    const bytes = Buffer.from(line, 'base64');
    if (bytes.toString('base64') !== line) throw broken(what, `line ${index + 1} is no base64`);
    if (bytes.length !== keyBytes) {
      throw broken(what, `line ${index + 1} has ${bytes.length} bytes, not ${keyBytes}`);
    }
    return [bytes];
  });
}

function broken(what: string, problem: string): DeltaError {
  return new DeltaError('bad_format', `ed25519 ${what}: ${problem}`);
}
