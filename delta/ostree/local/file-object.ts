import { verifyChecksum, type Checksum } from '../objects/checksum.ts';
import { FileHasher, wrongContentSize } from '../objects/file-checksum.ts';
import type { FileHeader } from '../objects/file-header.ts';
import { readParts } from './read-parts.ts';

/** A content object, opened. */
export interface FileObject {
  readonly header: FileHeader;
  /** Bytes of the content; 0 for a symlink. */
  readonly size: number;
  /**
   * The content, once; it throws `size_mismatch` or `digest_mismatch` at its end, or before, when the
   * object is not what its name says. Reading it to its end or giving it up on the way closes the file.
   */
  readonly content: AsyncGenerator<Buffer, void>;
  /** Closes the file, for who does not want the content. */
  close(): void;
}

/** A content object whose content stands in a file as it is; a symlink has none. */
export interface PlainContent {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Puts header and content together, to be checked against the name as they are read. Throws
 * `bad_format` for a header that no object can have.
 */
export function plainFileObject(
  checksum: Checksum,
  header: FileHeader,
  plain: PlainContent | undefined,
  signal: AbortSignal | undefined,
): FileObject {
  const hasher = new FileHasher(header);
  return {
    header,
    size: plain?.size ?? 0,
    content: verified(checksum, hasher, plain, signal),
    // Nothing is open before the content is asked for.
    close: () => undefined,
  };
}

async function* verified(
  checksum: Checksum,
  hasher: FileHasher,
  plain: PlainContent | undefined,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void> {
  if (plain !== undefined) {
    for await (const part of readParts(plain.path, signal)) {
      hasher.update(part);
      if (hasher.size > plain.size) throw wrongContentSize(plain.size, `more than ${plain.size}`);
      yield part;
    }
    if (hasher.size !== plain.size) throw wrongContentSize(plain.size, hasher.size);
  }
  verifyChecksum(hasher.digest(), checksum, `${checksum}.file`);
}
