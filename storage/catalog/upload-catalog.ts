import type { Digest } from '../digest.ts';
import type { UploadId } from '../keys.ts';
import type { RepoName } from '../names.ts';

export interface UploadPart {
  /** The session's byte at which the part begins. */
  readonly offset: number;
  readonly size: number;
  /** sha256 of the part alone. */
  readonly digest: Digest;
}

export interface UploadSession {
  readonly id: UploadId;
  readonly repo: RepoName;
  /** Bytes received so far. */
  readonly size: number;
  readonly parts: readonly UploadPart[];
  readonly updatedMs: number;
}

/** Upload sessions: a row plus parts in the object store. */
export interface UploadCatalog {
  create(id: UploadId, repo: RepoName): Promise<void>;
  get(id: UploadId): Promise<UploadSession | undefined>;
  /** Appends a stored part; `conflict` unless `part.offset` is the session's size. */
  append(id: UploadId, part: UploadPart): Promise<void>;
  /**
   * Puts one part in the place of several that follow each other; `conflict` unless the session has
   * exactly those between the first and the last.
   */
  merge(id: UploadId, parts: readonly UploadPart[], into: UploadPart): Promise<void>;
  /** Idempotent. */
  delete(id: UploadId): Promise<void>;
  /**
   * Ends at most `limit` sessions untouched since `beforeMs`, and returns them; one that is appended to
   * meanwhile goes on.
   */
  endStale(beforeMs: number, limit: number): Promise<readonly UploadId[]>;
}
