import { digestFromBytes, type Digest } from '../../storage/digest.ts';
import { TAG_BYTES } from './tag.ts';

export type DeltaKind = 'file' | 'tar' | 'image';
export const KINDS: readonly DeltaKind[] = ['file', 'tar', 'image'];

export interface FileFacts {
  /**
   * Digest of the whole file; a layer's diff_id. Of files and tars of version 2 only its beginning is
   * known, `sha256:` and 32 digits: compare by {@link isDigestOf}.
   */
  readonly diffId: Digest;
  /** Bytes. */
  readonly size: number;
}

export interface OutputFacts extends FileFacts {
  /** True if a base layer has this very diff_id: nothing to write, the device keeps what it has. */
  readonly reuse: boolean;
}

export interface ImageFacts {
  readonly from: Digest;
  readonly to: Digest;
  readonly mediaType: string;
  readonly manifestBytes: Buffer;
  readonly configBytes: Buffer;
}

export interface DeltaHeader {
  /** Format version: which frames follow. */
  readonly version: 1 | 2;
  readonly kind: DeltaKind;
  /** Memory that applying takes beside the process, in bytes; version 2 holds whole MiB. */
  readonly ramBytes: number;
  /** Bytes of all frames. */
  readonly framesBytes: number;
  readonly base: readonly FileFacts[];
  readonly outputs: readonly OutputFacts[];
  /** True if the output follows as zstd frames instead of frames (version 2, files). */
  readonly isWhole: boolean;
  /** Kind `image` only. */
  readonly image?: ImageFacts | undefined;
}

/** What a tag16 says of a digest: its beginning. */
export function digestFromTag(tag: Buffer): Digest {
  const padded = Buffer.alloc(32);
  tag.copy(padded);
  return digestFromBytes(padded).slice(0, 'sha256:'.length + TAG_BYTES * 2) as Digest;
}

/** True if a promised digest, perhaps only its beginning, is that of `found`. */
export function isDigestOf(promised: Digest, found: Digest): boolean {
  return found.startsWith(promised);
}
