import { DeltaError } from '../../errors.ts';
import type { SignatureKind } from '../commitmeta.ts';

/**
 * Signs commits and summaries: whatever holds the secret key.
 *
 * `sign` takes the raw bytes of the commit object, the summary, or the inner superblock of an
 * offline delta, and gives one signature as it goes into the `aay` of its kind: 64 bytes of ed25519
 * (RFC 8032, over the bytes themselves), or a binary detached OpenPGP signature. Throws `aborted`
 * once the signal fired, and `unavailable` when the key's holder does not answer as it should.
 */
export interface Signer {
  readonly kind: SignatureKind;
  sign(bytes: Uint8Array, options?: SignOptions): Promise<Uint8Array>;
}

export interface SignOptions {
  readonly signal?: AbortSignal | undefined;
}

export const ED25519_SIGNATURE_BYTES = 64;

/** Throws `bad_format`, naming `source`, for bytes that can't be a signature of that kind. */
export function checkSignature(kind: SignatureKind, signature: Uint8Array, source: string): void {
  switch (kind) {
    case 'ostree.sign.ed25519':
      if (signature.length === ED25519_SIGNATURE_BYTES) return;
      throw new DeltaError(
        'bad_format',
        `${source} gave ${signature.length} bytes: an ed25519 signature has ${ED25519_SIGNATURE_BYTES}`,
      );
    case 'ostree.gpgsigs':
      // Every OpenPGP packet begins with a byte whose highest bit is set (RFC 4880, section 4.2);
      // ASCII armor does not, and clients can't read it.
      if (((signature[0] ?? 0) & 0x80) !== 0) return;
      throw new DeltaError(
        'bad_format',
        `${source} gave ${signature.length} bytes that are no binary OpenPGP signature (no armor)`,
      );
  }
}
