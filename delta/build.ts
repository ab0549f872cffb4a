import type { DeltaResult } from '../storage/catalog/catalog.ts';
import type { Digest } from '../storage/digest.ts';
import { DeltaError } from './errors.ts';
import type { LayerSet } from './layers.ts';

/** `small` takes the strongest compression; `fast` cheaper levels. The format is the same. */
export type Profile = 'small' | 'fast';

export interface ImageDeltaOptions {
  readonly from: LayerSet;
  readonly to: LayerSet;
  /** File to write; made durable. Left absent on failure. */
  readonly output: string;
  /** Folder for temporary files. */
  readonly scratch: string;
  readonly profile: Profile;
  readonly signal?: AbortSignal | undefined;
  /** 0 to 1, ascending. */
  readonly onProgress?: ((fraction: number) => void) | undefined;
  /** One line about a codec that is off, and why. */
  readonly onNotice?: ((line: string) => void) | undefined;
}

export interface BuildReport {
  /** sha256 of the delta file. */
  readonly digest: Digest;
  readonly size: number;
  /** Memory that applying takes beside the process. */
  readonly ramBytes: number;
  readonly codecs: DeltaResult['codecs'];
}

export async function buildImageDelta(options: ImageDeltaOptions): Promise<BuildReport> {
  await Promise.resolve();
  throw new DeltaError('corrupt', `not yet ${options.output}`);
}
