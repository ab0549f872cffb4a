import { StorageError } from '../errors.ts';

/**
 * What OSTree calls an object by: sha256 as 64 lowercase hex digits, of the object as OSTree digests it
 * (for a file that is its header and its content), so no {@link Digest} of stored bytes. Made only by
 * {@link parseOstreeChecksum} and {@link ostreeChecksumFromBytes}.
 */
export type OstreeChecksum = string & { readonly __brand: 'OstreeChecksum' };

const CHECKSUM = /^[0-9a-f]{64}$/;
const CHECKSUM_BYTES = 32;

/** Parses a checksum. Throws `invalid_name` for anything but 64 lowercase hex digits. */
export function parseOstreeChecksum(text: string): OstreeChecksum {
  if (!isOstreeChecksum(text)) {
    throw new StorageError(
      'invalid_name',
      `not an OSTree checksum: ${JSON.stringify(text.slice(0, 200))} (expected 64 lowercase hex digits)`,
    );
  }
  return text;
}

/** True if `text` parses as a checksum. */
export function isOstreeChecksum(text: string): text is OstreeChecksum {
  return CHECKSUM.test(text);
}

/** A checksum from its 32 raw bytes; `invalid_name` for another length. */
export function ostreeChecksumFromBytes(bytes: Uint8Array): OstreeChecksum {
  if (bytes.length !== CHECKSUM_BYTES) {
    throw new StorageError(
      'invalid_name',
      `an OSTree checksum of ${bytes.length} bytes, expected ${CHECKSUM_BYTES}`,
    );
  }
  return Buffer.from(bytes).toString('hex') as OstreeChecksum;
}

/** The checksum's 32 raw bytes. */
export function ostreeChecksumBytes(checksum: OstreeChecksum): Uint8Array {
  return Buffer.from(checksum, 'hex');
}
