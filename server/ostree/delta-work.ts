import type { Superblock } from '../../delta/ostree/static-delta/superblock.ts';
import type { OstreeChecksum } from '../../storage/ostree/checksum.ts';

/** What a superblock says of the client's work. */
export interface DeltaOutline {
  /** Objects that clients fetch beside the delta. */
  readonly fallbacks: ReadonlySet<OstreeChecksum>;
  /** The most content that a backlog of its parts makes. */
  readonly contentBytes: number;
}

export function outlineOf({
  parts,
  fallbacks,
}: Pick<Superblock, 'parts' | 'fallbacks'>): DeltaOutline {
  const sizes = parts.map(({ contentBytes }) => contentBytes).sort((a, b) => b - a);
  return {
    fallbacks: new Set(fallbacks.map(({ checksum }) => checksum)),
    contentBytes: sizes.slice(0, BACKLOG).reduce((total, size) => total + size, 0),
  };
}

/** An answer to a request for a superblock or a part, sent to its end. */
export interface DeltaAnswer {
  readonly isSuperblock: boolean;
  /** As they went over the wire. */
  readonly bytes: number;
  readonly startedMs: number;
  readonly endedMs: number;
}

/**
 * Answers that a client may have and not have worked through: libostree lets three writes wait, and
 * fetches two parts meanwhile (`_OSTREE_MAX_OUTSTANDING_WRITE_REQUESTS`, `.._DELTAPART_REQUESTS`).
 */
export const BACKLOG = 5;
/** Bytes of parts that a slow client works through in a second. */
const WORKED_BYTES = 1024 * 1024;
/** Bytes of content that it makes in a second: patching a large program is slow however short the patch. */
const MADE_BYTES = 8 * 1024 * 1024;
/** Bytes of a superblock for each object, and what writing one takes. */
const OBJECT_BYTES = 33;
const OBJECT_MS = 0.5;
const MAX_OBJECTS_MS = 10_000;
const MAX_WORK_MS = 30_000;

/**
 * How long a client may still work on what it got, after its last answer: by the bytes, by the content
 * that a backlog of parts makes (`contentBytes`), by how it
 * went on so far from part to part, and by the link, in whose buffers some of the last answer still is. The
 * number of objects is told by the superblock's length.
 */
export function deltaWorkMs(
  answers: readonly DeltaAnswer[],
  objects: number,
  contentBytes = 0,
): number {
  const parts = answers.filter(({ isSuperblock }) => !isSuperblock).slice(-BACKLOG);
  const [first, last] = [parts.at(0), parts.at(-1)];
  if (first === undefined || last === undefined) return 0;
  const bytes = parts.reduce((total, part) => total + part.bytes, 0);
  const byBytes = (bytes / WORKED_BYTES) * 1000;
  const byContent = (contentBytes / MADE_BYTES) * 1000;
  const byPace = parts.length < BACKLOG ? 0 : ((last.endedMs - first.endedMs) / 4) * BACKLOG;
  const byLink = (last.endedMs - last.startedMs) / 2;
  const byObjects = Math.min(MAX_OBJECTS_MS, objects * OBJECT_MS);
  return Math.floor(
    Math.min(MAX_WORK_MS, Math.max(byBytes, byContent, byPace, byLink) + byObjects),
  );
}

/** About how many objects a superblock of that length lists. */
export function objectsIn(superblockBytes: number): number {
  return Math.floor(superblockBytes / OBJECT_BYTES);
}
