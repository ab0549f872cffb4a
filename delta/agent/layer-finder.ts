import { DigestHasher, digestAlgorithm, type Digest } from '../../storage/digest.ts';
import { FileAccess } from '../../storage/random-access.ts';
import { hashFile } from './digest-file.ts';
import { fileSize } from './durable.ts';
import { layoutBlob } from './paths.ts';

/** A whole uncompressed layer on this device. */
export interface FoundLayer {
  readonly path: string;
  /** Bytes. */
  readonly size: number;
}

/**
 * Finds uncompressed layers by diff_id in OCI layouts. A file counts only after its bytes were
 * digested in this run: a damaged one is as good as absent. Each file is digested once.
 */
export class LayerFinder {
  readonly #layouts: readonly string[];
  readonly #checked = new Map<string, FoundLayer | undefined>();

  constructor(layouts: readonly string[]) {
    this.#layouts = layouts;
  }

  async find(diffId: Digest, signal: AbortSignal): Promise<FoundLayer | undefined> {
    for (const layout of this.#layouts) {
      const found = await this.check(layoutBlob(layout, diffId), diffId, signal);
      if (found !== undefined) return found;
    }
    return undefined;
  }

  /** The file at `path` if it holds that layer. */
  async check(path: string, diffId: Digest, signal: AbortSignal): Promise<FoundLayer | undefined> {
    if (this.#checked.has(path)) return this.#checked.get(path);
    const found = await digestFile(path, diffId, signal);
    this.#checked.set(path, found);
    return found;
  }

  /** Makes the next look at `path` a fresh one: it was written or removed. */
  forget(path: string): void {
    this.#checked.delete(path);
  }

  /** Opens a layer without digesting it, for readers that check what they read. Close it. */
  async open(diffId: Digest): Promise<FileAccess | undefined> {
    for (const layout of this.#layouts) {
      const path = layoutBlob(layout, diffId);
      if ((await fileSize(path)) !== undefined) return FileAccess.open(path);
    }
    return undefined;
  }
}

async function digestFile(
  path: string,
  diffId: Digest,
  signal: AbortSignal,
): Promise<FoundLayer | undefined> {
  const size = await fileSize(path);
  if (size === undefined) return undefined;
  const hasher = new DigestHasher(digestAlgorithm(diffId));
  await hashFile(path, hasher, signal);
  return hasher.digest() === diffId ? { path, size: hasher.size } : undefined;
}
