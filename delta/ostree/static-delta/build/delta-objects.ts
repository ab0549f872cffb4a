import type { Checksum } from '../../objects/checksum.ts';
import type { MetadataKind } from '../../objects/object-name.ts';
import type { OpenedFile } from '../object-sink.ts';

/** A content object of a commit. */
export interface FileObject {
  readonly kind: 'file';
  readonly checksum: Checksum;
  /** Every place where it stands: `/usr/bin/true`. */
  readonly paths: readonly string[];
  /** Bytes of its content; 0 for a symlink. */
  readonly size: number;
}

/** A metadata object of a commit other than itself. */
export interface TreeObject {
  readonly kind: Exclude<MetadataKind, 'commit'>;
  readonly checksum: Checksum;
  /** Every directory that it describes: `/usr/bin`. */
  readonly paths: readonly string[];
}

/** What a commit's closure holds beside the commit; each object once. */
export type DeltaObject = FileObject | TreeObject;

/** Gives the objects of both commits. Errors pass through the builder. */
export interface ObjectSource {
  /** The exact bytes of a metadata object. */
  readMetadata(object: TreeObject): Promise<Uint8Array>;
  /** A content object. It is closed before the build ends; few are open at once. */
  openContent(object: FileObject): Promise<OpenedFile>;
}
