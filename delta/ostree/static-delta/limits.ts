const MIB = 1024 * 1024;

/** The bounds on static deltas: a reader refuses what is past them before it allocates anything. */
export const STATIC_DELTA_LIMITS = {
  /** Of a superblock: `OSTREE_MAX_METADATA_SIZE` since 2022; before, clients took 10 MiB. */
  superblockBytes: 128 * MIB,
  parts: 65_536,
  /** Of all parts of a delta; each takes 33 bytes of the superblock. */
  objects: MIB,
  /** Of a part's payload: what client 2026.3 takes at most. */
  payloadBytes: 512 * MIB,
  /** Of a part file: what xz makes of the largest payload that it can't compress. */
  partBytes: 513 * MIB,
  /** Of the content that a delta makes, unless its reader says otherwise. */
  contentBytes: 64 * 1024 * MIB,
  /** Of a part's operations; an object takes some 20 bytes of them. */
  operationBytes: 64 * MIB,
  /** Of a part's modes and xattr sets, which a part has a few of. */
  modeBytes: MIB,
  xattrBytes: 64 * MIB,
} as const;

/** What client 2026.3 allows a part's payload beside the sizes of its objects: for all of it... */
const PAYLOAD_SLACK_BYTES = 4096;
/** ...for each object... */
const OBJECT_SLACK_BYTES = 65_792;
/** ...and for each 32 bytes of content. */
const CONTENT_PER_SLACK_BYTE = 32;

/**
 * The largest payload of a part that client 2026.3 unpacks: it bounds what a part may expand to by
 * what its objects hold (`contentBytes`: content of regular files and bytes of metadata).
 */
export function maxPayloadBytes(contentBytes: number, objects: number): number {
  const slack =
    PAYLOAD_SLACK_BYTES +
    objects * OBJECT_SLACK_BYTES +
    Math.floor(contentBytes / CONTENT_PER_SLACK_BYTE);
  return Math.min(STATIC_DELTA_LIMITS.payloadBytes, contentBytes + slack);
}
