import type { RepoFiles } from '../../../delta/ostree/source/repo-files.ts';
import type { SourceOptions } from '../../../delta/ostree/source/object-source.ts';
import { checkAborted, DeltaError } from '../../../delta/errors.ts';
import { ServerError } from '../../errors.ts';
import { getFrom, type Opened } from './http-get.ts';
import { isRetryable, pauseBefore, retrying, TRIES } from './retry.ts';

/** As many requests as libostree has at once. */
const CONCURRENCY = 8;

/** The files of a repository behind HTTP, asked for again where a connection broke. */
export class HttpFiles implements RepoFiles {
  readonly label: string;
  readonly concurrency = CONCURRENCY;
  readonly #base: URL;
  readonly #token: string | undefined;

  /** `url` is the repository's folder; `token` goes along as a bearer token, if the server wants one. */
  constructor(url: URL, token?: string) {
    this.#token = token;
    this.#base = new URL(url);
    if (!this.#base.pathname.endsWith('/')) this.#base.pathname += '/';
    this.label = `${url.origin}${url.pathname}`;
  }

  read(
    path: string,
    maxBytes: number,
    { signal }: SourceOptions = {},
  ): Promise<Buffer | undefined> {
    return retrying(async () => {
      const opened = await this.#get(this.#url(path), 0, signal);
      return opened === undefined ? undefined : readWhole(opened, maxBytes);
    }, signal);
  }

  async open(
    path: string,
    { signal }: SourceOptions = {},
  ): Promise<AsyncIterable<Buffer> | undefined> {
    const url = this.#url(path);
    const opened = await retrying(() => this.#get(url, 0, signal), signal);
    if (opened === undefined) return undefined;
    return resuming(url, opened, (start) => this.#get(url, start, signal), signal);
  }

  #get(url: URL, start: number, signal: AbortSignal | undefined): Promise<Opened | undefined> {
    return getFrom(url, start, signal, this.#token);
  }

  #url(path: string): URL {
    return new URL(path, this.#base);
  }
}

async function readWhole({ url, body }: Opened, maxBytes: number): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > maxBytes) {
      throw new DeltaError('too_large', `${url.href} has more than ${maxBytes} bytes`);
    }
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}

/**
 * A file's bytes over as many requests as it takes: each one goes on where the one before broke off.
 * What is sewn together wrongly, because the file changed, fails its checksum.
 */
async function* resuming(
  url: URL,
  first: Opened,
  openAt: (start: number) => Promise<Opened | undefined>,
  signal: AbortSignal | undefined,
): AsyncGenerator<Buffer, void> {
  let opened: Opened | undefined = first;
  let done = 0;
  for (let failures = 0; ;) {
    try {
      opened ??= await openAt(done);
      if (opened === undefined) throw new ServerError('unreachable', `${url.href} is gone`);
      // A server that does not know ranges begins anew.
      let skip = done - opened.start;
      for await (const part of opened.body) {
        const news = part.subarray(Math.min(skip, part.length));
        skip -= part.length - news.length;
        done += news.length;
        if (news.length > 0) failures = 0;
        yield news;
      }
      return;
    } catch (error) {
      checkAborted(signal, `reading ${url.href}`);
      failures += 1;
      if (!isRetryable(error) || failures >= TRIES) throw error;
      opened = undefined;
      await pauseBefore(failures, signal);
    }
  }
}
