import { createHash, type Hash } from 'node:crypto';
import { Transform } from 'node:stream';

import { StorageError } from './errors.ts';

/**
 * An OCI digest, `algorithm:lowercase-hex` (OCI image specification, "Digests"); `sha256` or `sha512`.
 * Made only by {@link parseDigest}, {@link digestOf} and {@link DigestHasher}.
 */
export type Digest = string & { readonly __brand: 'Digest' };
export type DigestAlgorithm = 'sha256' | 'sha512';

/** Bytes of a digest of each algorithm. */
const BYTES = { sha256: 32, sha512: 64 } as const satisfies Record<DigestAlgorithm, number>;

const PATTERN = /^(sha256:[0-9a-f]{64}|sha512:[0-9a-f]{128})$/;

/** Parses a digest. Throws `invalid_name` for anything but lowercase sha256 or sha512. */
export function parseDigest(text: string): Digest {
  if (!PATTERN.test(text)) {
    throw new StorageError(
      'invalid_name',
      `not a digest: ${JSON.stringify(text.slice(0, 200))} (expected sha256: or sha512: and lowercase hex)`,
    );
  }
  return text as Digest;
}

/** True if `text` parses as a digest. */
export function isDigest(text: string): text is Digest {
  return PATTERN.test(text);
}

export function digestAlgorithm(digest: Digest): DigestAlgorithm {
  return digest.startsWith('sha256:') ? 'sha256' : 'sha512';
}

export function digestHex(digest: Digest): string {
  return digest.slice(digest.indexOf(':') + 1);
}

/** The digest's raw bytes: 32 for sha256, 64 for sha512. */
export function digestBytes(digest: Digest): Uint8Array {
  return Buffer.from(digestHex(digest), 'hex');
}

/** A digest from its raw bytes. Throws `invalid_name` when the length does not fit the algorithm. */
export function digestFromBytes(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  if (bytes.length !== BYTES[algorithm]) {
    throw new StorageError('invalid_name', `a ${algorithm} digest of ${bytes.length} bytes`);
  }
  return `${algorithm}:${Buffer.from(bytes).toString('hex')}` as Digest;
}

/** The digest of bytes held in memory. */
export function digestOf(bytes: Uint8Array, algorithm: DigestAlgorithm = 'sha256'): Digest {
  return `${algorithm}:${createHash(algorithm).update(bytes).digest('hex')}` as Digest;
}

/** Counts and digests bytes as they pass. */
export class DigestHasher {
  readonly #algorithm: DigestAlgorithm;
  #hash: Hash;
  #size = 0;

  constructor(algorithm: DigestAlgorithm = 'sha256') {
    this.#algorithm = algorithm;
    this.#hash = createHash(algorithm);
  }

  /** Another hasher that has seen the same bytes. */
  copy(): DigestHasher {
    const copy = new DigestHasher(this.#algorithm);
    copy.#hash = this.#hash.copy();
    copy.#size = this.#size;
    return copy;
  }

  /** Bytes seen so far. */
  get size(): number {
    return this.#size;
  }

  update(bytes: Uint8Array): this {
    this.#hash.update(bytes);
    this.#size += bytes.length;
    return this;
  }

  /** The digest of everything seen; the hasher is spent. */
  digest(): Digest {
    return `${this.#algorithm}:${this.#hash.digest('hex')}` as Digest;
  }

  /** The digest so far; the hasher goes on. */
  peek(): Digest {
    return `${this.#algorithm}:${this.#hash.copy().digest('hex')}` as Digest;
  }
}

/** What a blob must turn out to be. */
export interface Expected {
  readonly digest?: Digest | undefined;
  /** Bytes. */
  readonly size?: number | undefined;
}

/**
 * A pass-through stream that fails with `size_mismatch` as soon as more than `expected.size` bytes
 * pass, and at the end with `size_mismatch` or `digest_mismatch` when the promise was not kept.
 */
export function verifyStream(expected: Expected, what: string): Transform {
  const hasher = new DigestHasher(
    expected.digest === undefined ? 'sha256' : digestAlgorithm(expected.digest),
  );
  return new Transform({
    transform(chunk: Buffer, _encoding, done) {
      hasher.update(chunk);
      if (expected.size !== undefined && hasher.size > expected.size) {
        done(sizeMismatch(what, expected.size, `more than ${expected.size}`));
        return;
      }
      done(null, chunk);
    },
    flush(done) {
      if (expected.size !== undefined && hasher.size !== expected.size) {
        done(sizeMismatch(what, expected.size, hasher.size));
        return;
      }
      const digest = hasher.digest();
      if (expected.digest !== undefined && digest !== expected.digest) {
        done(digestMismatch(what, expected.digest, digest));
        return;
      }
      done();
    },
  });
}

/** Checks bytes in memory against a promise; throws `size_mismatch` or `digest_mismatch`. */
export function verifyBytes(bytes: Uint8Array, expected: Expected, what: string): void {
  if (expected.size !== undefined && bytes.length !== expected.size) {
    throw sizeMismatch(what, expected.size, bytes.length);
  }
  if (expected.digest === undefined) return;
  const digest = digestOf(bytes, digestAlgorithm(expected.digest));
  if (digest !== expected.digest) throw digestMismatch(what, expected.digest, digest);
}

/** `size_mismatch`, naming both sizes. */
export function sizeMismatch(
  what: string,
  expected: number,
  actual: number | string,
): StorageError {
  return new StorageError('size_mismatch', `${what}: expected ${expected} bytes, got ${actual}`, {
    detail: { expected, actual },
  });
}

/** `digest_mismatch`, naming both digests. */
export function digestMismatch(what: string, expected: Digest, actual: Digest): StorageError {
  return new StorageError('digest_mismatch', `${what}: expected ${expected}, got ${actual}`, {
    detail: { expected, actual },
  });
}
