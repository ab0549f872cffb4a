import { open, rm, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';

import { DigestHasher, type Digest } from '../../storage/digest.ts';
import { TempNames } from '../../storage/drivers/fs-temp.ts';
import { fromErrno, makeDirectory } from '../../storage/durable.ts';
import { StorageError } from '../../storage/errors.ts';
import type { OstreeChecksum } from '../../storage/ostree/checksum.ts';
import { OpenFile } from '../http/open-file.ts';
import { Turns } from './turns.ts';

/** A `.filez` that was made. */
interface Made {
  readonly path: string;
  /** Of its bytes, which is not the object's checksum. */
  readonly digest: Digest;
  readonly size: number;
}

/** A made `.filez`, open; the reader closes the file. */
export interface OpenFilez {
  readonly digest: Digest;
  readonly file: OpenFile;
}

/** Compressing takes a thread each, of the few that file operations share with it. */
const MAKERS = 2;
/** A file can go between being looked up and being opened, but hardly three times. */
const TRIES = 3;

/**
 * Content objects as `.filez`, made when first asked for and then kept: the least recently asked for go
 * once all of them have more than `maxBytes`, the newest never. Whoever asks while one is made waits
 * for it, so its bytes, its digest and its length are one and the same for all, and ranges work from
 * the first answer on. Bytes pass through memory only.
 */
export class FilezCache {
  readonly #folder: string;
  readonly #maxBytes: number;
  readonly #names: TempNames;
  readonly #turns = new Turns(MAKERS);
  /** In the order of their last use. */
  readonly #made = new Map<OstreeChecksum, Made>();
  readonly #making = new Map<OstreeChecksum, Promise<Made>>();
  #bytes = 0;

  private constructor(folder: string, maxBytes: number, names: TempNames) {
    this.#folder = folder;
    this.#maxBytes = maxBytes;
    this.#names = names;
  }

  /** Several processes may use one folder, each for itself; what dead ones left is removed. */
  static async open(folder: string, maxBytes: number): Promise<FilezCache> {
    await makeDirectory(folder);
    const names = await TempNames.open();
    await names.sweep(folder);
    return new FilezCache(folder, maxBytes, names);
  }

  /** Bytes on disk that count. */
  get bytes(): number {
    return this.#bytes;
  }

  /** Opens the `.filez` of a content object; `make` gives its bytes where they are not there. */
  async open(checksum: OstreeChecksum, make: () => AsyncIterable<Uint8Array>): Promise<OpenFilez> {
    for (let tries = 0; tries < TRIES; tries += 1) {
      const { path, digest } = this.#known(checksum) ?? (await this.#whenMade(checksum, make));
      const file = await OpenFile.open(path);
      if (file !== undefined) return { digest, file };
      this.#forget(checksum, path);
    }
    throw new StorageError('unavailable', `${checksum}.filez was removed as often as it was made`);
  }

  #known(checksum: OstreeChecksum): Made | undefined {
    const made = this.#made.get(checksum);
    if (made === undefined) return undefined;
    this.#made.delete(checksum);
    this.#made.set(checksum, made);
    return made;
  }

  #whenMade(checksum: OstreeChecksum, make: () => AsyncIterable<Uint8Array>): Promise<Made> {
    const running = this.#making.get(checksum);
    if (running !== undefined) return running;
    const making = this.#turns
      .take(() => this.#write(make()))
      .then(async (made) => {
        this.#made.set(checksum, made);
        this.#bytes += made.size;
        await this.#trim();
        return made;
      })
      .finally(() => {
        this.#making.delete(checksum);
      });
    this.#making.set(checksum, making);
    return making;
  }

  async #write(bytes: AsyncIterable<Uint8Array>): Promise<Made> {
    const path = join(this.#folder, this.#names.next());
    const hasher = new DigestHasher();
    let file: FileHandle | undefined;
    try {
      file = await open(path, 'wx');
      for await (const part of bytes) {
        hasher.update(part);
        await file.writeFile(part);
      }
      await file.close();
      return { path, size: hasher.size, digest: hasher.digest() };
    } catch (error) {
      await file?.close();
      await rm(path, { force: true });
      throw fromErrno(error, 'cannot keep a .filez');
    }
  }

  async #trim(): Promise<void> {
    for (const [checksum, { path }] of this.#made) {
      if (this.#bytes <= this.#maxBytes || this.#made.size === 1) return;
      this.#forget(checksum, path);
      await rm(path, { force: true });
    }
  }

  #forget(checksum: OstreeChecksum, path: string): void {
    const made = this.#made.get(checksum);
    if (made?.path !== path) return;
    this.#made.delete(checksum);
    this.#bytes -= made.size;
  }
}
