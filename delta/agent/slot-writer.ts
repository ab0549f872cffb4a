import { link, readdir, rm, stat } from 'node:fs/promises';
import { dirname, join } from 'node:path';

import { digestAlgorithm, digestOf, type Digest } from '../../storage/digest.ts';
import { makeDirectory, syncDirectory } from '../../storage/durable.ts';
import { fileSize, removeDurable, renameDurable, writeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import { slotIndex, variantManifest, type ReleaseImage } from './image.ts';
import { writeLayerFile } from './layer-file.ts';
import type { LayerFinder } from './layer-finder.ts';
import { writeLayerIndexes, type LayerIndexes } from './layer-index.ts';
import { layoutBlob } from './paths.ts';

/**
 * Fills a slot with a release. The slot is no release from `prepare` until `finish` has written
 * index.json, its last file; layers appear in it whole, one by one, and count for a later run.
 */
export class SlotWriter {
  readonly #path: string;
  readonly #image: ReleaseImage;
  readonly #layers: LayerFinder;
  readonly #signal: AbortSignal;

  private constructor(path: string, image: ReleaseImage, layers: LayerFinder, signal: AbortSignal) {
    this.#path = path;
    this.#image = image;
    this.#layers = layers;
    this.#signal = signal;
  }

  /** Takes the slot out of use and removes everything in it that the release does not hold. */
  static async prepare(
    path: string,
    image: ReleaseImage,
    layers: LayerFinder,
    signal: AbortSignal,
  ): Promise<SlotWriter> {
    await makeDirectory(path);
    await removeDurable(join(path, 'index.json'));
    const writer = new SlotWriter(path, image, layers, signal);
    const wanted = new Set(image.diffIds.map((diffId) => layoutBlob(path, diffId)));
    for (const algorithm of new Set(['sha256' as const, ...image.diffIds.map(digestAlgorithm)])) {
      const folder = join(path, 'blobs', algorithm);
      await makeDirectory(folder);
      for (const name of await readdir(folder)) {
        const file = join(folder, name);
        if (wanted.has(file) || wanted.has(file.replace(/\.tmp$/, ''))) continue;
        layers.forget(file);
        await rm(file, { recursive: true, force: true });
      }
      await syncDirectory(folder);
    }
    return writer;
  }

  get image(): ReleaseImage {
    return this.#image;
  }

  /** Where a layer is written until it is whole. */
  tempPath(diffId: Digest): string {
    return `${layoutBlob(this.#path, diffId)}.tmp`;
  }

  /** Makes a layer that the device has part of the slot, by a hard link; false if it has none. */
  async adopt(diffId: Digest): Promise<boolean> {
    const path = layoutBlob(this.#path, diffId);
    if ((await this.#layers.check(path, diffId, this.#signal)) !== undefined) return true;
    const found = await this.#layers.find(diffId, this.#signal);
    if (found === undefined) return false;
    const temp = this.tempPath(diffId);
    await rm(temp, { force: true });
    await link(found.path, temp);
    await this.commit(diffId);
    return true;
  }

  /** Writes a layer from its bytes; `corrupt` when they are not the layer, and nothing stays. */
  async write(diffId: Digest, source: AsyncIterable<Uint8Array>): Promise<void> {
    await writeLayerFile(this.tempPath(diffId), diffId, source, this.#signal);
    await this.commit(diffId);
  }

  /** Makes a temporary layer file, already durable, part of the slot. */
  async commit(diffId: Digest): Promise<void> {
    const path = layoutBlob(this.#path, diffId);
    await renameDurable(this.tempPath(diffId), path);
    this.#layers.forget(path);
  }

  /**
   * Turns what the slot has of a layer back into a temporary file, for a writer that goes on with it;
   * false if there is none. A file that is linked from elsewhere is never written to.
   */
  async reopen(diffId: Digest): Promise<boolean> {
    const path = layoutBlob(this.#path, diffId);
    const temp = this.tempPath(diffId);
    if ((await fileSize(path)) !== undefined) await renameDurable(path, temp);
    this.#layers.forget(path);
    if ((await fileSize(temp)) === undefined) return false;
    if ((await stat(temp)).nlink === 1) return true;
    await rm(temp);
    return false;
  }

  /**
   * Checks every layer, writes what names them, what repairs them, and last index.json: now the slot
   * holds a release.
   * Throws `output_mismatch` when a layer is not the one its diff_id promises.
   */
  async finish(channel: string, indexes: LayerIndexes): Promise<void> {
    const sizes: number[] = [];
    for (const diffId of this.#image.diffIds) {
      const path = layoutBlob(this.#path, diffId);
      const layer = await this.#layers.check(path, diffId, this.#signal);
      if (layer === undefined) {
        await rm(path, { force: true });
        throw new DeviceError('output_mismatch', `the layer made is not ${diffId}`);
      }
      sizes.push(layer.size);
    }
    const { manifest, configBytes } = this.#image;
    const variant = variantManifest(this.#image, sizes);
    await this.#document(manifest.config.digest, configBytes);
    await this.#document(manifest.digest, manifest.bytes);
    await this.#document(digestOf(variant), variant);
    await writeLayerIndexes(this.#path, indexes);
    await writeDurable(join(this.#path, 'oci-layout'), '{"imageLayoutVersion":"1.0.0"}');
    await writeDurable(join(this.#path, 'index.json'), slotIndex(this.#image, variant, channel));
  }

  async #document(digest: Digest, bytes: Buffer): Promise<void> {
    const path = layoutBlob(this.#path, digest);
    await makeDirectory(dirname(path));
    await writeDurable(path, bytes);
  }
}
