import type { Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { contentRange, statusError, strongEtag } from './answers.ts';
import { DeviceError } from './errors.ts';
import { bytesArrived, cutOff, getBlob, noteResumed, type FetchEnv } from './fetch-env.ts';
import type { HttpAnswer } from './http.ts';
import type { PartFile } from './part-file.ts';

export interface WantedBlob {
  readonly digest: Digest;
  /** Its exact bytes. */
  readonly size: number;
  readonly maxBytes: number;
}

/** What an answer holds of a blob: from which byte up to which, and of how many. */
interface Extent {
  readonly start: number;
  readonly endExclusive: number | undefined;
  readonly size: number | undefined;
}

/** One blob on its way from one server into its part. */
export class BlobDownload {
  readonly #env: FetchEnv;
  readonly #url: string;
  readonly #want: WantedBlob;
  readonly #part: PartFile;

  constructor(env: FetchEnv, url: string, want: WantedBlob, part: PartFile) {
    this.#env = env;
    this.#url = url;
    this.#want = want;
    this.#part = part;
  }

  /**
   * Fills the part's holes, one after another; on return the blob is whole at its place. Throws as
   * `Fetcher.blob`.
   */
  async run(): Promise<void> {
    const { size: resumed } = this.#part;
    for (let hole = this.#part.hole; hole !== undefined; hole = this.#part.hole) {
      if (await this.#receive(hole)) break;
    }
    if (await this.#part.finish()) return;
    const { size } = this.#part;
    await this.#restart(undefined);
    const what = `${this.#url}: ${size} bytes that are not ${this.#want.digest}`;
    // What was there before may have come from another server.
    throw new DeviceError('corrupt', what, { retryable: resumed > 0 });
  }

  /** Takes of a hole what the budget has room for; true at the blob's end. */
  async #receive(hole: ByteRange): Promise<boolean> {
    const want = this.#want;
    const part = this.#part;
    const { etag } = part;
    const missing = want.size - part.size;
    const room = this.#env.budget.room(missing);
    const endAsked = Math.min(hole.endExclusive, hole.start + room);
    const last = endAsked < want.size ? `${endAsked - 1}` : '';
    const answer = await getBlob(this.#env, this.#url, {
      ...(hole.start > 0 || last !== '' ? { range: `bytes=${hole.start}-${last}` } : {}),
      ...(etag === undefined ? {} : { 'if-range': etag }),
    });
    const { start, endExclusive, size } = await this.#begin(answer, {
      start: hole.start,
      endExclusive: endAsked,
    });
    if (size !== undefined && size !== want.size) {
      answer.discard();
      throw new DeviceError('corrupt', `${this.#url} has ${size} bytes instead of ${want.size}`);
    }
    const limit = Math.min(want.maxBytes, endExclusive ?? Infinity);
    let at = start;
    try {
      for await (const bytes of answer.body) {
        if (at + bytes.length > limit) throw tooLarge(want);
        await this.#env.space.write(bytes.length);
        const { size: before } = part;
        await part.write(bytes, at);
        at += bytes.length;
        await bytesArrived(this.#env, bytes.length, part.size - before);
      }
    } finally {
      await part.sync();
    }
    if (endExclusive !== undefined && at < endExclusive) throw cutOff(this.#url);
    return endExclusive === undefined || endExclusive === size;
  }

  /** Takes up an answer to what was asked for, or empties the part. */
  async #begin(answer: HttpAnswer, asked: ByteRange): Promise<Extent> {
    const url = this.#url;
    const part = this.#part;
    const etag = strongEtag(answer);
    if (answer.status === 206) {
      const range = contentRange(answer, url);
      if (range.size === this.#want.size && range.endExclusive > asked.endExclusive) {
        answer.discard();
        throw new DeviceError('bad_answer', `${url} sent more than the range asked for`);
      }
      const isAsked = range.start === asked.start;
      if (part.size === 0 && isAsked) {
        await this.#restart(etag);
        return range;
      }
      if (part.size > 0 && isAsked && etag === part.etag) {
        noteResumed(this.#env, this.#want.digest, range.start);
        return range;
      }
      answer.discard();
      await this.#restart(undefined);
      throw new DeviceError('unreachable', `${url} went on with another version; starting anew`);
    }
    if (answer.status === 416 && part.size > 0) {
      answer.discard();
      await this.#restart(undefined);
      throw new DeviceError('unreachable', `${url} is shorter than what is here; starting anew`);
    }
    if (answer.status !== 200) {
      answer.discard();
      throw statusError(answer, url);
    }
    return this.#beginWhole(answer, asked);
  }

  /** Takes up an answer that holds all of the blob. */
  async #beginWhole(answer: HttpAnswer, asked: ByteRange): Promise<Extent> {
    const length = answer.header('content-length');
    const size = length !== undefined && /^\d{1,15}$/.test(length) ? Number(length) : undefined;
    // A captive portal's answer, not a server's: what is here stays.
    const isPage = answer.header('content-type')?.startsWith('text/html') === true;
    if (this.#part.size > 0 && (isPage || (size !== undefined && size !== this.#want.size))) {
      answer.discard();
      throw new DeviceError(
        'unreachable',
        `${this.#url} answers with something else than the blob`,
      );
    }
    const etag = strongEtag(answer);
    // A proxy without ranges: what is here is of this version and stays, should this break off too.
    if (etag === undefined || etag !== this.#part.etag) await this.#restart(etag);
    if (size !== undefined && size > asked.endExclusive - asked.start) this.#mayRead(answer, size);
    return { start: 0, endExclusive: size, size };
  }

  /** A server that sends all of a blob where a part was asked for is refused in time. */
  #mayRead(answer: HttpAnswer, bytes: number): void {
    const { budget } = this.#env;
    try {
      if (budget.room(bytes) < bytes) budget.refuse(bytes);
    } catch (error) {
      answer.discard();
      throw error;
    }
  }

  async #restart(etag: string | undefined): Promise<void> {
    this.#env.onBytes(-this.#part.size);
    await this.#part.restart(etag);
  }
}

export function tooLarge(want: WantedBlob): DeviceError {
  const bound = Math.min(want.size, want.maxBytes);
  return new DeviceError('too_large', `${want.digest} is larger than ${bound} bytes`);
}
