import type { RandomAccess } from '../../../storage/random-access.ts';
import type { Checksum } from '../objects/checksum.ts';
import type { FileHeader } from '../objects/file-header.ts';
import type { MetadataKind } from '../objects/object-name.ts';

/** A content object: its header, and its content, which a symlink has none of. */
export interface FileContent {
  readonly header: FileHeader;
  readonly content: RandomAccess;
}

/** Where the objects that a delta makes go; each was verified. */
export interface ObjectSink {
  /** The bytes are valid until the promise resolves. */
  metadata(kind: MetadataKind, checksum: Checksum, bytes: Uint8Array): Promise<void>;
  /** The content is valid until the promise resolves. */
  file(checksum: Checksum, file: FileContent): Promise<void>;
}

/** A content object that was opened; `close` it when it is no longer read. */
export interface OpenedFile extends FileContent {
  close?(): Promise<void>;
}
