import { digestAlgorithm, digestMismatch, type Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import type { Upstream, UpstreamAnswer } from './upstream.ts';
import { readReprDigest } from './repr-digest.ts';
import { UpstreamError } from './upstream-error.ts';

/** Statuses with which a server refuses HEAD where it would answer GET. */
const HEAD_REFUSED: ReadonlySet<number> = new Set([400, 403, 405, 501]);

/** A blob that the origin has. */
export interface OriginBlob {
  readonly digest: Digest;
  /** Bytes. */
  readonly size: number;
  /** Where the origin has it; `/v1/blobs/{digest}` when absent. */
  readonly path?: string | undefined;
  /** Who has it at that path, when not the origin. */
  readonly from?: UpstreamBlobs | undefined;
}

/** Opens a range of one blob, as {@link UpstreamBlobs.open} does. */
export type OpenAtOrigin = (
  range: ByteRange,
  options: { readonly etag?: string | undefined; readonly signal?: AbortSignal | undefined },
) => Promise<OpenedBlob>;

export interface OpenedBlob {
  /** The origin's strong validator, to be sent back when the transfer goes on. */
  readonly etag: string | undefined;
  /** Exactly the range; throws `unavailable` when it breaks off. */
  readonly bytes: AsyncGenerator<Buffer, void, undefined>;
}

/** Blobs of the origin. Beside what {@link Upstream} throws: `missing`, `size_mismatch`. */
export class UpstreamBlobs {
  readonly #upstream: Upstream;

  constructor(upstream: Upstream) {
    this.#upstream = upstream;
  }

  /**
   * Bytes of the blob; with `path`, as what is there (`missing` when it is not). Asks with HEAD, and
   * with a GET of one byte where HEAD is refused.
   */
  async size(
    digest: Digest,
    {
      path = blobPath(digest),
      signal,
    }: { readonly path?: string | undefined; readonly signal?: AbortSignal } = {},
  ): Promise<number> {
    const head = await this.#upstream.request({ method: 'HEAD', path, signal });
    this.#upstream.discard(head);
    if (!HEAD_REFUSED.has(head.status)) {
      expectStatus(head, digest, [200]);
      return parseSize(head.headers['content-length'], digest, head);
    }
    const headers = { range: 'bytes=0-0' };
    const get = await this.#upstream.request({ method: 'GET', path, headers, signal });
    if (get.status === 206) this.#upstream.discard(get);
    else get.message.destroy();
    // An empty blob has no first byte.
    const total = get.headers['content-range']?.split('/')[1];
    if (get.status === 416) return parseSize(total, digest, get);
    expectStatus(get, digest, [200, 206]);
    return parseSize(get.status === 206 ? total : get.headers['content-length'], digest, get);
  }

  /**
   * Opens a range of a blob, one try only. With `etag`, the range is asked for that version; an
   * origin that answers with the whole blob is read up to the range, one that says that its bytes
   * have another digest is `digest_mismatch`.
   */
  async open(
    { digest, size, path = blobPath(digest) }: OriginBlob,
    range: ByteRange,
    { etag, signal }: Parameters<OpenAtOrigin>[1],
  ): Promise<OpenedBlob> {
    const { start, endExclusive } = range;
    const headers: Record<string, string> = {};
    if (start > 0 || endExclusive < size) {
      headers['range'] = `bytes=${start}-${endExclusive - 1}`;
      if (etag !== undefined) headers['if-range'] = etag;
    }
    const answer = await this.#upstream.request({
      method: 'GET',
      path,
      headers,
      signal,
      attempts: 1,
      transfer: true,
    });
    try {
      expectStatus(answer, digest, [200, 206]);
      checkExtent(answer, digest, range, size);
    } catch (error) {
      answer.message.destroy();
      throw error;
    }
    const skip = answer.status === 200 ? start : 0;
    const validator = answer.headers.etag;
    return {
      etag: validator?.startsWith('"') === true ? validator : undefined,
      bytes: window(this.#upstream.read(answer, signal), skip, endExclusive - start, digest),
    };
  }
}

function blobPath(digest: Digest): string {
  return `/v1/blobs/${digest}`;
}

/** Exactly `length` bytes after `skip` others. */
async function* window(
  source: AsyncGenerator<Buffer, void, undefined>,
  skip: number,
  length: number,
  digest: Digest,
): AsyncGenerator<Buffer, void, undefined> {
  let toSkip = skip;
  let left = length;
  for await (const part of source) {
    const bytes = part.subarray(Math.min(toSkip, part.length));
    toSkip -= part.length - bytes.length;
    const wanted = bytes.subarray(0, left);
    left -= wanted.length;
    if (wanted.length > 0) yield wanted;
    if (bytes.length > wanted.length) break;
  }
  if (left > 0) {
    throw new StorageError('unavailable', `${digest}: the origin's answer lacks ${left} bytes`);
  }
}

/** Throws unless the status is one of those: 404 is `missing`, 429 `rate_limited`. */
export function expectStatus(
  { status, headers }: UpstreamAnswer,
  what: string,
  expected: readonly number[],
): void {
  if (expected.includes(status)) return;
  if (status === 404) {
    throw new StorageError('missing', `the origin does not have ${what}`, { detail: { what } });
  }
  const code = status === 429 ? 'rate_limited' : 'refused';
  throw new UpstreamError(code, `the origin answered ${status} for ${what}`, {
    status,
    retryAfter: headers['retry-after'],
  });
}

/** The answer must be of that blob, of that size, and begin where it was asked to. */
function checkExtent(
  { status, headers }: UpstreamAnswer,
  digest: Digest,
  { start, endExclusive }: ByteRange,
  size: number,
): void {
  const stated = readReprDigest(headers);
  if (stated !== undefined && digestAlgorithm(digest) === 'sha256' && stated !== digest) {
    throw digestMismatch('what the origin has now', digest, stated);
  }
  if (status === 206) {
    const expected = `bytes ${start}-${endExclusive - 1}/${size}`;
    const got = headers['content-range'];
    if (got !== expected) throw sizeMismatch(digest, expected, got);
    return;
  }
  const length = headers['content-length'];
  if (length !== undefined && length !== size.toString()) throw sizeMismatch(digest, size, length);
}

function sizeMismatch(
  digest: Digest,
  expected: number | string,
  got: string | undefined,
): StorageError {
  return new StorageError(
    'size_mismatch',
    `${digest}: the origin sends ${got ?? 'no length'}, ${expected} was expected`,
    { detail: { digest, expected, got } },
  );
}

function parseSize(text: string | undefined, digest: Digest, { status }: UpstreamAnswer): number {
  const size = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  if (Number.isSafeInteger(size)) return size;
  throw new UpstreamError('refused', `the origin does not say the size of ${digest}`, { status });
}
