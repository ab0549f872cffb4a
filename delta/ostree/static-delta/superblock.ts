import type { DeltaName } from '../checksum-base64.ts';
import type { DictionaryEntry } from '../gvariant/dictionary.ts';
import type { Checksum } from '../objects/checksum.ts';
import type { PartObject, PartObjectKind } from './object-list.ts';

/** `OSTREE_STATIC_DELTA_SUPERBLOCK_FORMAT`; the commit has the type of a `.commit`. */
export const SUPERBLOCK_TYPE = '(a{sv}tayay(a{sv}aya(say)sstayay)aya(uayttay)a(yaytt))';

/** The key of the byte that tells in which order the numbers of parts and fallbacks are written. */
export const ENDIANNESS_KEY = 'ostree.endianness';
export const LITTLE_ENDIAN = 'l'.charCodeAt(0);
export const BIG_ENDIAN = 'B'.charCodeAt(0);

/** The version of every part. */
export const PART_VERSION = 0;

/** One part as the superblock promises it. */
export interface DeltaPart {
  /** sha256 of the part file. */
  readonly checksum: Checksum;
  /** Bytes of the part file. */
  readonly size: number;
  /** Bytes that its objects hold: content of regular files, whole metadata objects. */
  readonly contentBytes: number;
  /** What it makes, in that order. */
  readonly objects: readonly PartObject[];
  /** The part file, where it travels in the superblock itself. */
  readonly inline?: Buffer | undefined;
}

/** An object that the client fetches by itself. */
export interface DeltaFallback {
  readonly kind: PartObjectKind;
  readonly checksum: Checksum;
  /** Bytes as it is served: of the `.filez`. */
  readonly compressedBytes: number;
  /** Bytes of its content. */
  readonly contentBytes: number;
}

/** What a static delta begins with: where it leads, and what it is made of. */
export interface Superblock extends DeltaName {
  /** Seconds since 1970. */
  readonly timestamp: bigint;
  /** The bytes of the to-commit. */
  readonly commit: Uint8Array;
  /**
   * The to-commit's detached metadata. A client that needs signatures checks the commit by these, so
   * a new signature makes a new superblock.
   */
  readonly commitmeta: readonly DictionaryEntry[] | undefined;
  readonly parts: readonly DeltaPart[];
  readonly fallbacks: readonly DeltaFallback[];
}
