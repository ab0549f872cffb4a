import type { IoOptions } from '../../../storage/object-store.ts';
import type { RandomAccess } from '../../../storage/random-access.ts';
import { checkAborted, DeltaError } from '../../errors.ts';
import { checksumOf, type Checksum } from '../objects/checksum.ts';
import { FileHasher } from '../objects/file-checksum.ts';
import type { FileHeader } from '../objects/file-header.ts';
import type { Spool } from './spool.ts';

const PIECE_BYTES = 256 * 1024;

/** A regular file on its way: its content goes to a spool and through its checksum. */
export class ObjectMaker {
  readonly header: FileHeader;
  readonly #length: number;
  readonly #spool: Spool;
  readonly #start: number;
  readonly #hasher: FileHasher;

  /** `length`: bytes that it must get. */
  constructor(header: FileHeader, length: number, spool: Spool) {
    this.header = header;
    this.#length = length;
    this.#spool = spool;
    this.#start = spool.size;
    this.#hasher = new FileHasher(header);
  }

  /** Bytes that it still lacks. */
  get missing(): number {
    return this.#length - this.#hasher.size;
  }

  /** True if it has no byte yet. */
  get isNew(): boolean {
    return this.#hasher.size === 0;
  }

  /** Appends bytes; `bad_format`, naming `what`, past its length. */
  async append(bytes: Uint8Array, what: string): Promise<void> {
    if (bytes.length > this.missing) {
      throw new DeltaError('bad_format', `${what} makes more than its ${this.#length} bytes`);
    }
    this.#hasher.update(bytes);
    await this.#spool.append(bytes);
  }

  /**
   * The content, once it is all there: `bad_format` when it is short, `output_mismatch` when it is not
   * the object that `what` names. It stays in the spool from `start` on.
   */
  end(
    checksum: Checksum,
    what: string,
  ): { readonly content: RandomAccess; readonly start: number } {
    if (this.missing > 0) {
      throw new DeltaError('bad_format', `${what} lacks ${this.missing} of ${this.#length} bytes`);
    }
    verifyMade(this.#hasher.digest(), checksum, what);
    return { content: this.#spool.slice(this.#start, this.#length), start: this.#start };
  }
}

/** Throws `output_mismatch` unless the content, with its header, is that object. */
export async function verifyContent(
  header: FileHeader,
  content: RandomAccess,
  checksum: Checksum,
  { what, signal }: IoOptions & { readonly what: string },
): Promise<void> {
  const hasher = new FileHasher(header);
  for (let at = 0; at < content.size; at += PIECE_BYTES) {
    checkAborted(signal, 'applying a delta');
    hasher.update(await content.read(at, Math.min(PIECE_BYTES, content.size - at)));
  }
  verifyMade(hasher.digest(), checksum, what);
}

/** Throws `output_mismatch` unless the bytes are that metadata object. */
export function verifyMetadata(bytes: Uint8Array, checksum: Checksum, what: string): void {
  verifyMade(checksumOf(bytes), checksum, what);
}

function verifyMade(actual: Checksum, expected: Checksum, what: string): void {
  if (actual === expected) return;
  throw new DeltaError('output_mismatch', `${what} came out as ${actual}`, {
    detail: { expected, actual },
  });
}
