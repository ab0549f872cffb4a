import { mkdir, readFile } from 'node:fs/promises';

import { digestOf, digestAlgorithm, type Digest } from '../../storage/digest.ts';
import { fileSize, removeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import { BlobDownload, tooLarge, type WantedBlob } from './fetch-blob.ts';
import type { FetchEnv } from './fetch-env.ts';
import { fetchRange, type WantedRange } from './fetch-range.ts';
import { partBytes, PartFile } from './part-file.ts';
import { fetchStem, type DevicePaths } from './paths.ts';
import { tryServers } from './retry.ts';

/** Brings blobs into the device's fetch folder; what was fetched once is not fetched again. */
export class Fetcher {
  readonly #env: FetchEnv;

  constructor(env: FetchEnv) {
    this.#env = env;
  }

  /**
   * A blob's file, whole and checked against its digest. Fetches what an earlier try or run does not
   * have. Throws `unreachable`, `missing_blob`, `corrupt`, `too_large`, `byte_ceiling`, `quota`.
   */
  async blob(want: WantedBlob): Promise<string> {
    const { meter, onBytes, paths } = this.#env;
    if (want.size > want.maxBytes) throw tooLarge(want);
    const stem = fetchStem(paths, want.digest);
    const whole = await fileSize(stem);
    if (whole !== undefined) {
      meter.found(want.digest, whole);
      onBytes(whole);
      return stem;
    }
    const part = await PartFile.open(stem, want);
    try {
      meter.found(want.digest, part.size);
      onBytes(part.size);
      await tryServers(
        this.#env.bases,
        this.#env,
        () => part.size,
        (base) => new BlobDownload(this.#env, `${base}${want.digest}`, want, part).run(),
      );
      return stem;
    } finally {
      await part.close();
    }
  }

  /** Bytes of a blob that are not here yet. */
  async missingBytes(want: Pick<WantedBlob, 'digest' | 'size'>): Promise<number> {
    const stem = fetchStem(this.#env.paths, want.digest);
    if ((await fileSize(stem)) !== undefined) return 0;
    return want.size - (await partBytes(stem, want));
  }

  /** A small blob's bytes, from the fetch folder or the network. */
  async bytes(want: WantedBlob): Promise<Buffer> {
    const bytes = await readFile(await this.blob(want));
    if (digestOf(bytes, digestAlgorithm(want.digest)) !== want.digest) {
      throw new DeviceError('corrupt', `the fetched ${want.digest} changed on disk`);
    }
    return bytes;
  }

  /** Notes what an earlier run had fetched of a blob that comes by ranges. */
  found(digest: Digest, bytes: number): void {
    this.#env.meter.found(digest, bytes);
    this.#env.onBytes(bytes);
  }

  /** Brings a range of a blob into a file of the caller's: {@link fetchRange}. */
  async range(want: WantedRange, check: () => Promise<void>): Promise<void> {
    await fetchRange(this.#env, want, check);
  }
}

/** Drops every download: what they led to is installed. */
export async function emptyFetch(paths: DevicePaths): Promise<void> {
  await removeDurable(paths.fetch);
  await mkdir(paths.fetch);
}
