import type { Generated, GeneratedAlways } from 'kysely';

import type { Digest } from '../digest.ts';
import type { RepoName } from '../names.ts';
import type { OstreeChecksum } from '../ostree/checksum.ts';
import type { OstreeKind } from '../ostree/object-name.ts';
import type { OstreeRef } from '../ostree/ref-name.ts';

/** OSTree's tables as `ostree-migration.ts` makes them. */
export interface OstreeSchema {
  ostree_objects: {
    id: Generated<number>;
    checksum: OstreeChecksum;
    kind: OstreeKind;
    /** Bytes of the content; null while the object is not stored, only named by a parent. */
    size: number | null;
    /** A file's header. */
    header: Buffer | null;
    created_ms: number;
    /** When it was last pushed, to any repository. */
    touched_ms: number;
  };
  ostree_object_chunks: {
    object: number;
    /** First byte of the chunk in the content. */
    position: number;
    digest: Digest;
    pack: Digest;
    first_byte: number;
    length: number;
    raw_length: number;
  };
  /** What an object names; `history` marks a commit's parent. */
  ostree_edges: { parent: number; child: number; history: 0 | 1 };
  ostree_repos: { name: RepoName; created_ms: number };
  /** Which objects a repository may serve; `linked_ms` is the newest push, or question about it. */
  ostree_repo_objects: { repo: RepoName; object: number; linked_ms: number };
  ostree_refs: {
    repo: RepoName;
    ref: OstreeRef;
    checksum: OstreeChecksum;
    updated_ms: number;
  };
  ostree_ref_log: {
    id: GeneratedAlways<number>;
    repo: RepoName;
    ref: OstreeRef;
    checksum: OstreeChecksum;
    /** Where the ref was before. */
    parent: OstreeChecksum | null;
    moved_ms: number;
  };
  ostree_commitmeta: {
    repo: RepoName;
    checksum: OstreeChecksum;
    bytes: Buffer;
    updated_ms: number;
  };
}
