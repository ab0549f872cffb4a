import { createHash } from 'node:crypto';

import { StorageError } from '../../../storage/errors.ts';
import { isOstreeChecksum, type OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { DeltaError } from '../../errors.ts';

/** As the store names it; out of formats, where a broken one is `bad_format`. */
export type Checksum = OstreeChecksum;

export const CHECKSUM_BYTES = 32;

/** Throws `bad_format` for anything but 64 lowercase hexadecimal digits. */
export function parseChecksum(text: string): Checksum {
  if (!isChecksum(text)) {
    throw new DeltaError(
      'bad_format',
      `not an OSTree checksum: ${JSON.stringify(text.slice(0, 100))} (64 lowercase hex digits are)`,
    );
  }
  return text;
}

/** True if `text` parses as a checksum. */
export function isChecksum(text: string): text is Checksum {
  return isOstreeChecksum(text);
}

/** The checksum of 32 raw bytes; `what` names them in the `bad_format` for any other length. */
export function checksumFromBytes(bytes: Uint8Array, what: string): Checksum {
  if (bytes.length !== CHECKSUM_BYTES) {
    throw new DeltaError(
      'bad_format',
      `${what} is a checksum of ${bytes.length} bytes, not ${CHECKSUM_BYTES}`,
    );
  }
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex') as Checksum;
}

/** The 32 raw bytes. */
export function checksumBytes(checksum: Checksum): Buffer {
  return Buffer.from(checksum, 'hex');
}

/** The checksum of bytes in memory: of a commit, a dirtree or a dirmeta, that is its name. */
export function checksumOf(bytes: Uint8Array): Checksum {
  return createHash('sha256').update(bytes).digest('hex') as Checksum;
}

/** Throws `digest_mismatch`, naming both, when the bytes are not those of that checksum. */
export function verifyChecksum(actual: Checksum, expected: Checksum, what: string): void {
  if (actual === expected) return;
  throw new StorageError('digest_mismatch', `${what}: expected ${expected}, got ${actual}`, {
    detail: { expected, actual },
  });
}
