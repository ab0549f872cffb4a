import type { Checksum } from '../../objects/checksum.ts';

/** A part file that was built. */
export interface PartFileBytes {
  /** sha256 of all its bytes. */
  readonly checksum: Checksum;
  /** Bytes. */
  readonly size: number;
  /** Its bytes, as often as they are asked for. */
  pieces(): AsyncIterable<Uint8Array>;
}

/** Where a delta goes: its parts in order, then its superblock. */
export interface DeltaSink {
  /** The bytes are valid until the promise resolves. Inline parts don't come here. */
  part(number: number, file: PartFileBytes): Promise<void>;
  superblock(bytes: Buffer): Promise<void>;
}
