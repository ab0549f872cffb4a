import type { Checksum } from '../objects/checksum.ts';
import type { MetadataKind } from '../objects/object-name.ts';

export interface SourceOptions {
  readonly signal?: AbortSignal | undefined;
}

/**
 * A repository that commits are taken from: a local one, a tar of one, one behind HTTP. Every object is
 * checked against its name as it is read. Every method throws `missing` for what is not there,
 * `bad_format`, `digest_mismatch`, `size_mismatch` or `too_large`, naming the object, for what is not
 * as its name says, `unavailable` when the source does not answer, `aborted`.
 */
export interface ObjectSource {
  /** Names it in messages: a path, a URL. */
  readonly label: string;
  /** How many objects are best asked for at once: 1 where they are at hand. */
  readonly concurrency: number;
  /** The commit that a ref stands for; a checksum stands for itself. */
  resolveRef(name: string, options?: SourceOptions): Promise<Checksum>;
  /** The exact bytes of a commit, dirtree or dirmeta. */
  readMetadata(kind: MetadataKind, checksum: Checksum, options?: SourceOptions): Promise<Buffer>;
  /**
   * Opens a content object as the bytes of a `.filez`. They throw before the last of them when the
   * object is not the named one. Who does not read to the end aborts `signal`, which closes it.
   */
  openFilez(checksum: Checksum, options?: SourceOptions): Promise<AsyncIterable<Buffer>>;
  /** A commit's detached metadata (its signatures); undefined when it has none. */
  readCommitmeta(commit: Checksum, options?: SourceOptions): Promise<Buffer | undefined>;
}
