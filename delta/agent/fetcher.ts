import { constants } from 'node:fs';
import { mkdir, open, readFile } from 'node:fs/promises';

import { digestOf, digestAlgorithm, type Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { contentRange, statusError, strongEtag } from './answers.ts';
import { fileSize, removeDurable } from './durable.ts';
import { DeviceError } from './errors.ts';
import type { HttpAnswer, HttpClient } from './http.ts';
import type { Meter, Pacer } from './meter.ts';
import { PartFile } from './part-file.ts';
import { fetchStem, type DevicePaths } from './paths.ts';
import { tryServers, type RetryEnv } from './retry.ts';

export interface FetchEnv extends RetryEnv {
  readonly paths: DevicePaths;
  readonly http: HttpClient;
  readonly meter: Meter;
  readonly pacer: Pacer;
  /** Bases of blob URLs, in the order to try. */
  readonly bases: readonly string[];
  /** Bytes that just arrived, or were there already. */
  readonly onBytes: (bytes: number) => void;
  readonly onResume: (digest: Digest, at: number) => void;
}

export interface WantedBlob {
  readonly digest: Digest;
  /** Its exact bytes, where known. */
  readonly size?: number | undefined;
  readonly maxBytes: number;
}

/** Brings blobs into the device's fetch folder; what was fetched once is not fetched again. */
export class Fetcher {
  readonly #env: FetchEnv;

  constructor(env: FetchEnv) {
    this.#env = env;
  }

  /**
   * A blob's file, whole and checked against its digest. Goes on at the byte that an earlier try or
   * run had. Throws `unreachable`, `missing_blob`, `corrupt`, `too_large`.
   */
  async blob(want: WantedBlob): Promise<string> {
    const { meter, onBytes, paths } = this.#env;
    if (want.size !== undefined && want.size > want.maxBytes) throw tooLarge(want);
    const stem = fetchStem(paths, want.digest);
    const whole = await fileSize(stem);
    if (whole !== undefined) {
      meter.found(want.digest, whole);
      onBytes(whole);
      return stem;
    }
    const part = await PartFile.open(stem, want.digest);
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
   * Writes a range of a blob to the same place of `path`. `check` looks at what came; when it throws,
   * the next server is asked.
   */
  async range(
    digest: Digest,
    range: ByteRange,
    path: string,
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
          if (at > range.start) this.#resumed(digest, at);
          const answer = await this.#get(url, { range: `bytes=${at}-${range.endExclusive - 1}` });
          expectRange(answer, url, { start: at, endExclusive: range.endExclusive });
          for await (const bytes of answer.body) {
            if (bytes.length > range.endExclusive - at) {
              throw new DeviceError('bad_answer', `${url} sent more than the range asked for`);
            }
            await file.write(bytes, 0, bytes.length, at);
            at += bytes.length;
            await this.#arrived(bytes.length);
          }
          if (at < range.endExclusive) throw cutOff(url);
          at = range.start;
          await check();
        },
      );
    } finally {
      await file.close();
    }
  }

  async #download(url: string, want: WantedBlob, part: PartFile): Promise<void> {
    const resumed = part.size;
    if (part.size === 0 || part.size !== want.size) await this.#receive(url, want, part);
    if (await part.finish()) return;
    const size = part.size;
    await this.#restart(part, undefined);
    // What an earlier run left may have been torn by a power cut: try once more from the start.
    throw new DeviceError('corrupt', `${url}: ${size} bytes that are not ${want.digest}`, {
      retryable: resumed > 0,
    });
  }

  async #receive(url: string, want: WantedBlob, part: PartFile): Promise<void> {
    const { etag } = part;
    const answer = await this.#get(
      url,
      etag === undefined ? {} : { range: `bytes=${part.size}-`, 'if-range': etag },
    );
    const size = await this.#begin(answer, url, want, part);
    if (size !== undefined && want.size !== undefined && size !== want.size) {
      answer.discard();
      throw new DeviceError('corrupt', `${url} has ${size} bytes instead of ${want.size}`);
    }
    const limit = Math.min(want.maxBytes, size ?? Infinity);
    try {
      for await (const bytes of answer.body) {
        if (part.size + bytes.length > limit) throw tooLarge(want);
        await part.append(bytes);
        await this.#arrived(bytes.length);
      }
    } finally {
      await part.sync();
    }
    if (size !== undefined && part.size < size) throw cutOff(url);
  }

  /** Takes up an answer where the part stands, or empties the part; the blob's size if it is told. */
  async #begin(
    answer: HttpAnswer,
    url: string,
    want: WantedBlob,
    part: PartFile,
  ): Promise<number | undefined> {
    const etag = strongEtag(answer);
    if (answer.status === 206 && part.size > 0) {
      const range = contentRange(answer, url);
      if (range.start === part.size && range.endExclusive === range.size && etag === part.etag) {
        this.#resumed(want.digest, part.size);
        return range.size;
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
    await this.#restart(part, etag);
    const length = answer.header('content-length');
    return length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
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
    return this.#env.http.send({ url, method: 'GET', headers, signal: this.#env.signal });
  }

  async #arrived(bytes: number): Promise<void> {
    this.#env.meter.received(bytes);
    this.#env.onBytes(bytes);
    await this.#env.pacer.spend(bytes, this.#env.signal);
  }
}

function expectRange(answer: HttpAnswer, url: string, range: ByteRange): void {
  if (answer.status !== 206) {
    answer.discard();
    if (answer.status !== 200) throw statusError(answer, url);
    throw new DeviceError('bad_answer', `${url} does not serve ranges`);
  }
  const got = contentRange(answer, url);
  if (got.start !== range.start || got.endExclusive !== range.endExclusive) {
    answer.discard();
    throw new DeviceError('bad_answer', `${url} sent another range than was asked for`);
  }
}

function tooLarge(want: WantedBlob): DeviceError {
  const bound = want.size === undefined ? want.maxBytes : Math.min(want.size, want.maxBytes);
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
