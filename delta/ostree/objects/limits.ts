const MIB = 1024 * 1024;

/** The bounds on objects. */
export const OBJECT_LIMITS = {
  /** A commit, dirtree or dirmeta: `OSTREE_MAX_METADATA_SIZE`. */
  metadataBytes: 128 * MIB,
  /** The header of a content object, in which only the xattrs can be large. */
  headerBytes: 4 * MIB,
  /** The content of a file: the most that ext4 can hold. */
  contentBytes: 16 * MIB * MIB,
  /** `NAME_MAX` of Linux. */
  nameBytes: 255,
  /** `PATH_MAX` of Linux without its NUL. */
  targetBytes: 4095,
  /** `XATTR_NAME_MAX` and `XATTR_SIZE_MAX` of Linux. */
  xattrNameBytes: 255,
  xattrValueBytes: 65_536,
  /** Of one file or directory. Linux holds fewer: their names together take at most 64 KiB. */
  xattrs: 65_536,
} as const;
