import { constants } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';

import { digestOf, digestAlgorithm, type Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { contentRange, expectRange, statusError, strongEtag } from './answers.ts';
import { fileSize, removeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import type { HttpAnswer, HttpClient } from './http.ts';
import type { Meter, Pacer } from './meter.ts';
import { PartFile } from './part-file.ts';
import { fetchStem, type DevicePaths } from './paths.ts';
import { tryServers, type RetryEnv } from './retry.ts';
import type { PassingBuffers } from './small-memory.ts';
import type { SpaceGuard } from './space.ts';
import type { Budget } from './spend/budget.ts';

export interface FetchEnv extends RetryEnv {
  readonly paths: DevicePaths;
  readonly http: HttpClient;
  readonly meter: Meter;
  readonly pacer: Pacer;
  readonly budget: Budget;
  readonly space: SpaceGuard;
  readonly buffers: PassingBuffers;
  /** Bases of blob URLs, in the order to try. */
  readonly bases: readonly string[];
  /** Bytes that just arrived, or were there already. */
  readonly onBytes: (bytes: number) => void;
  readonly onResume: (digest: Digest, at: number) => void;
}

export interface WantedBlob {
  readonly digest: Digest;
  /** Its exact bytes. */
  readonly size: number;
  readonly maxBytes: number;
}

/** What an answer holds of a blob: up to which byte, and of how many. */
interface Extent {
  readonly endExclusive: number | undefined;
  readonly size: number | undefined;
}

/** Brings blobs into the device's fetch folder; what was fetched once is not fetched again. */
export class Fetcher {
  readonly #env: FetchEnv;

  constructor(env: FetchEnv) {
    this.#env = env;
  }

  /**
   * A blob's file, whole and checked against its digest. Goes on at the byte that an earlier try or
   * run had. Throws `unreachable`, `missing_blob`, `corrupt`, `too_large`, `byte_ceiling`, `quota`.
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
        (base) => this.#download(`${base}${want.digest}`, want, part),
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
    return Math.max(0, want.size - ((await fileSize(`${stem}.part`)) ?? 0));
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

  /**
   * Writes a range of a blob to the same place of `path`. `cuts` are places, ascending, the range's end
   * the last, at which it may be broken off for want of a quota without loss. `check` looks at what
   * came; when it throws, the next server is asked.
   */
  async range(
    digest: Digest,
    range: ByteRange,
    path: string,
    cuts: readonly number[],
    check: () => Promise<void>,
  ): Promise<void> {
    const file = await open(path, constants.O_RDWR | constants.O_CREAT);
    let at = range.start;
    try {
      await tryServers(
        this.#env.bases,
        this.#env,
        () => at,
        async (base) => {
          const url = `${base}${digest}`;
          while (at < range.endExclusive) {
            if (at > range.start) this.#resumed(digest, at);
            const endExclusive = this.#affordable(at, range.endExclusive, cuts);
            for await (const bytes of this.#rangeBytes(url, { start: at, endExclusive })) {
              await file.write(bytes, 0, bytes.length, at);
              at += bytes.length;
              await this.#arrived(bytes.length);
            }
          }
          at = range.start;
          await check();
        },
      );
    } finally {
      await file.close();
    }
  }

  /** The last cut up to which the quota lets a range go. */
  #affordable(at: number, endExclusive: number, cuts: readonly number[]): number {
    const room = this.#env.budget.room(endExclusive - at);
    if (room >= endExclusive - at) return endExclusive;
    const cut = cuts.findLast((place) => place > at && place <= at + room);
    if (cut !== undefined) return cut;
    const frameEnd = cuts.find((place) => place > at) ?? endExclusive;
    return this.#env.budget.refuse(frameEnd - at);
  }

  /** Exactly the bytes of a range, as they come; `unreachable` when they break off. */
  async *#rangeBytes(url: string, range: ByteRange): AsyncGenerator<Buffer> {
    const answer = await this.#get(url, {
      range: `bytes=${range.start}-${range.endExclusive - 1}`,
    });
    expectRange(answer, url, range);
    let at = range.start;
    for await (const bytes of answer.body) {
      at += bytes.length;
      if (at > range.endExclusive) {
        throw new DeviceError('bad_answer', `${url} sent more than the range asked for`);
      }
      await this.#env.space.write(bytes.length);
      yield bytes;
    }
    if (at < range.endExclusive) throw cutOff(url);
  }

  async #download(url: string, want: WantedBlob, part: PartFile): Promise<void> {
    const resumed = part.size;
    while (part.size === 0 || part.size < want.size) {
      if (await this.#receive(url, want, part)) break;
    }
    if (await part.finish()) return;
    const size = part.size;
    await part.doubt();
    this.#env.onBytes(part.size - size);
    // What an earlier run left may have been torn by a power cut: what can't have been is kept.
    throw new DeviceError('corrupt', `${url}: ${size} bytes that are not ${want.digest}`, {
      retryable: resumed > 0,
    });
  }

  /** Takes what the budget has room for; true at the blob's end. */
  async #receive(url: string, want: WantedBlob, part: PartFile): Promise<boolean> {
    const { etag, size: start } = part;
    const missing = want.size - start;
    const room = this.#env.budget.room(missing);
    const last = room < missing ? `${start + room - 1}` : '';
    const answer = await this.#get(url, {
      ...(start > 0 || last !== '' ? { range: `bytes=${start}-${last}` } : {}),
      ...(etag === undefined ? {} : { 'if-range': etag }),
    });
    const { endExclusive, size } = await this.#begin(answer, url, want, part, room);
    if (size !== undefined && size !== want.size) {
      answer.discard();
      throw new DeviceError('corrupt', `${url} has ${size} bytes instead of ${want.size}`);
    }
    const limit = Math.min(want.maxBytes, endExclusive ?? Infinity);
    try {
      for await (const bytes of answer.body) {
        if (part.size + bytes.length > limit) throw tooLarge(want);
        await this.#env.space.write(bytes.length);
        await part.append(bytes);
        await this.#arrived(bytes.length);
      }
    } finally {
      await part.sync();
    }
    if (endExclusive !== undefined && part.size < endExclusive) throw cutOff(url);
    return endExclusive === undefined || endExclusive === size;
  }

  /** Takes up an answer where the part stands, or empties the part. */
  async #begin(
    answer: HttpAnswer,
    url: string,
    want: WantedBlob,
    part: PartFile,
    asked: number,
  ): Promise<Extent> {
    const etag = strongEtag(answer);
    if (answer.status === 206) {
      const range = contentRange(answer, url);
      if (part.size === 0 && range.start === 0) {
        await this.#restart(part, etag);
        return range;
      }
      if (part.size > 0 && range.start === part.size && etag === part.etag) {
        this.#resumed(want.digest, part.size);
        return range;
      }
      answer.discard();
      await this.#restart(part, undefined);
      throw new DeviceError('unreachable', `${url} went on with another version; starting anew`);
    }
    if (answer.status === 416 && part.size > 0) {
      answer.discard();
      await this.#restart(part, undefined);
      throw new DeviceError('unreachable', `${url} is shorter than what is here; starting anew`);
    }
    if (answer.status !== 200) {
      answer.discard();
      throw statusError(answer, url);
    }
    const length = answer.header('content-length');
    const size = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
    // A captive portal's answer, not a server's: what is here stays.
    const isPage = answer.header('content-type')?.startsWith('text/html') === true;
    if (part.size > 0 && (isPage || (size !== undefined && size !== want.size))) {
      answer.discard();
      throw new DeviceError('unreachable', `${url} answers with something else than the blob`);
    }
    await this.#restart(part, etag);
    if (size !== undefined && size > asked) this.#mayRead(answer, size);
    return { endExclusive: size, size };
  }

  /** A server that sends all of a blob where a part was asked for is refused in time. */
  #mayRead(answer: HttpAnswer, bytes: number): void {
    try {
      if (this.#env.budget.room(bytes) < bytes) this.#env.budget.refuse(bytes);
    } catch (error) {
      answer.discard();
      throw error;
    }
  }

  #resumed(digest: Digest, at: number): void {
    this.#env.meter.resumed(at);
    this.#env.onResume(digest, at);
  }

  async #restart(part: PartFile, etag: string | undefined): Promise<void> {
    this.#env.onBytes(-part.size);
    await part.restart(etag);
  }

  async #get(url: string, headers: Readonly<Record<string, string>>): Promise<HttpAnswer> {
    const { budget, http, signal } = this.#env;
    await budget.coverFetch();
    return http.send({ url, method: 'GET', headers, signal });
  }

  async #arrived(bytes: number): Promise<void> {
    this.#env.meter.received(bytes);
    this.#env.buffers.passed(bytes);
    this.#env.onBytes(bytes);
    await this.#env.budget.coverFetch();
    await this.#env.pacer.spend(bytes, this.#env.signal);
  }
}

function tooLarge(want: WantedBlob): DeviceError {
  const bound = Math.min(want.size, want.maxBytes);
  return new DeviceError('too_large', `${want.digest} is larger than ${bound} bytes`);
}

function cutOff(url: string): DeviceError {
  return new DeviceError('unreachable', `${url}: the connection broke off`);
}

/** Drops every download: what they led to is installed. */
export async function emptyFetch(paths: DevicePaths): Promise<void> {
  await removeDurable(paths.fetch);
  await mkdir(paths.fetch);
}
