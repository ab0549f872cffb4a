import { checkBytes } from './byte-source.ts';
import type { Expected } from './digest.ts';
import { checkAborted } from './durable.ts';
import { StorageError, isStorageError } from './errors.ts';
import { blobFolders, digestOfKey, QUARANTINE_PREFIX, UPLOADS_PREFIX } from './keys.ts';
import type { ByteSource, IoOptions, ObjectEntry, ObjectStore } from './object-store.ts';

export interface CopyObjectsOptions extends IoOptions {
  readonly from: ObjectStore;
  readonly to: ObjectStore;
  /** Also read back what is copied, and what the target had, and check it by its digest. */
  readonly readBack?: boolean | undefined;
  /** Waits as long as the bytes take at the rate that is allowed. */
  readonly pace?: ((bytes: number) => Promise<void>) | undefined;
  /** Bytes of objects that are in the target by now. */
  readonly onProgress?: ((bytes: number) => void) | undefined;
}

export interface CopyObjectsReport {
  /** Of the source, when it was listed. */
  readonly objects: number;
  readonly bytes: number;
  readonly copied: number;
  readonly copiedBytes: number;
  /** Collected in the source since they were listed. */
  readonly gone: number;
  /** Keys of blobs whose bytes in the source are not what their digest says; not copied. */
  readonly damaged: readonly string[];
}

/** Copies side by side: what one waits for, another sends. */
const AT_ONCE = 4;

/**
 * One pass over every object of a store, uploads in flight among them: what the target lacks, or has
 * in another size, is copied. Objects never change, so that the target's list is all that has to be
 * remembered: a pass that was killed goes on by being run again, and one more catches what was pushed
 * meanwhile. Every copied blob is checked by its digest before the target shows it; the source may be
 * in use. Throws `unavailable` or `no_space` when a store fails, `digest_mismatch` when `readBack`
 * finds other bytes in the target, `aborted`.
 */
export async function copyObjects(options: CopyObjectsOptions): Promise<CopyObjectsReport> {
  return new CopyPass(options).run();
}

/** Bytes of everything in a store. */
export async function measureObjects(store: ObjectStore, options: IoOptions = {}): Promise<number> {
  let bytes = 0;
  for (const folder of folders()) {
    for await (const { size } of store.list(folder, options)) bytes += size;
  }
  return bytes;
}

/** Prefixes that between them hold every object. */
function folders(): readonly string[] {
  return [...blobFolders(), UPLOADS_PREFIX, QUARANTINE_PREFIX];
}

class CopyPass {
  readonly #options: CopyObjectsOptions;
  readonly #stop = new AbortController();
  readonly #signal: AbortSignal;
  readonly #damaged: string[] = [];
  #seen = { objects: 0, bytes: 0 };
  #copied = { objects: 0, bytes: 0 };
  #done = 0;
  #gone = 0;

  constructor(options: CopyObjectsOptions) {
    this.#options = options;
    const { signal } = options;
    this.#signal =
      signal === undefined ? this.#stop.signal : AbortSignal.any([signal, this.#stop.signal]);
  }

  async run(): Promise<CopyObjectsReport> {
    const running = new Set<Promise<void>>();
    let failure: { readonly error: unknown } | undefined;
    try {
      for (const folder of folders()) {
        const there = await this.#sizes(folder);
        for await (const entry of this.#options.from.list(folder, { signal: this.#signal })) {
          if (failure !== undefined) throw failure.error;
          this.#seen.objects += 1;
          this.#seen.bytes += entry.size;
          const work = this.#bring(entry, there.get(entry.key))
            .catch((error: unknown) => {
              failure ??= { error };
              this.#stop.abort();
            })
            .finally(() => running.delete(work));
          running.add(work);
          if (running.size >= AT_ONCE) await Promise.race(running);
        }
      }
    } catch (error) {
      failure ??= { error };
      this.#stop.abort();
    }
    await Promise.all(running);
    if (failure !== undefined) {
      checkAborted(this.#options.signal, 'copy of the store');
      throw failure.error;
    }
    return {
      ...this.#seen,
      copied: this.#copied.objects,
      copiedBytes: this.#copied.bytes,
      gone: this.#gone,
      damaged: this.#damaged,
    };
  }

  async #sizes(folder: string): Promise<ReadonlyMap<string, number>> {
    const sizes = new Map<string, number>();
    const { to } = this.#options;
    for await (const { key, size } of to.list(folder, { signal: this.#signal }))
      sizes.set(key, size);
    return sizes;
  }

  async #bring(entry: ObjectEntry, there: number | undefined): Promise<void> {
    const { to, readBack = false, onProgress } = this.#options;
    const signal = this.#signal;
    if (there !== entry.size) {
      // A put keeps what is there; of another size it can't be this object.
      if (there !== undefined) await to.delete(entry.key, { signal });
      if (!(await this.#copy(entry))) return;
    }
    if (readBack) await this.#readBack(entry);
    this.#done += entry.size;
    onProgress?.(this.#done);
  }

  /** False when there is nothing to copy, or nothing that should be. */
  async #copy({ key, size }: ObjectEntry): Promise<boolean> {
    const { to } = this.#options;
    const source = { isGone: false };
    const open = (): ByteSource =>
      this.#read(key, () => {
        source.isGone = true;
      });
    const digest = digestOfKey(key);
    const expected: Expected = { digest, size };
    try {
      await to.put(key, open(), { expected, reopen: open, signal: this.#signal });
    } catch (error) {
      if (source.isGone) {
        this.#gone += 1;
        return false;
      }
      const damaged =
        isStorageError(error, 'digest_mismatch') || isStorageError(error, 'size_mismatch');
      if (!damaged) throw error;
      this.#damaged.push(key);
      return false;
    }
    this.#copied.objects += 1;
    this.#copied.bytes += size;
    return true;
  }

  /** `onMissing`: a target may tell the source's `missing` in a code of its own. */
  async *#read(key: ObjectEntry['key'], onMissing: () => void): AsyncGenerator<Uint8Array> {
    const { from, pace } = this.#options;
    try {
      for await (const piece of await from.open(key, { signal: this.#signal })) {
        await pace?.((piece as Buffer).length);
        yield piece as Buffer;
      }
    } catch (error) {
      if (isStorageError(error, 'missing')) onMissing();
      throw error;
    }
  }

  async #readBack({ key, size }: ObjectEntry): Promise<void> {
    const digest = digestOfKey(key);
    if (digest === undefined) return;
    const { to } = this.#options;
    const what = `${to.name}: ${key}`;
    const source = await to.open(key, { signal: this.#signal });
    await checkBytes(source, { what, expected: { digest, size }, signal: this.#signal }).catch(
      (error: unknown) => {
        if (!isStorageError(error, 'digest_mismatch')) throw error;
        throw new StorageError(
          'digest_mismatch',
          `${what} is damaged there: remove it, run again`,
          {
            cause: error,
          },
        );
      },
    );
  }
}
