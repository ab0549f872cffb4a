import { verifyBytes, type Digest } from '../../../storage/digest.ts';
import { StorageError } from '../../../storage/errors.ts';
import { BLOCK_BYTES } from '../../../storage/sparse/sparse-store.ts';
import { readReprDigest } from '../repr-digest.ts';
import { pause, pauseAfter, type RetryPolicy } from '../retry.ts';
import type { Upstream, UpstreamAnswer } from '../upstream.ts';
import { expectStatus } from '../upstream-blobs.ts';
import { UpstreamError } from '../upstream-error.ts';

/** What one request tells of a file, and its first bytes: all of a file that is not larger than a block. */
export interface FirstBlock {
  readonly digest: Digest;
  /** Bytes of the whole file. */
  readonly size: number;
  readonly bytes: Buffer;
}

/**
 * Fetches a file's first block, its size and its digest: `expected`, or as the origin says. A file that
 * fits in the block is checked. Throws `missing`, `unavailable` after bounded tries, `digest_mismatch`,
 * `UpstreamError`.
 */
export async function fetchFirstBlock(
  upstream: Upstream,
  path: string,
  { expected, retry }: { readonly expected: Digest | undefined; readonly retry: RetryPolicy },
): Promise<FirstBlock> {
  for (let failures = 1; ; failures += 1) {
    const answer = await upstream.request({
      method: 'GET',
      path,
      headers: { range: `bytes=0-${BLOCK_BYTES - 1}` },
      transfer: true,
      failFast: upstream.state.reachable === false,
    });
    try {
      return await readFirstBlock(upstream, answer, path, expected);
    } catch (error) {
      // The connection broke inside of the body.
      const broke = error instanceof StorageError && error.code === 'unavailable';
      if (!broke || failures >= retry.attempts) throw error;
    } finally {
      answer.message.destroy();
    }
    await pause(pauseAfter(failures, retry), undefined);
  }
}

async function readFirstBlock(
  upstream: Upstream,
  answer: UpstreamAnswer,
  path: string,
  expected: Digest | undefined,
): Promise<FirstBlock> {
  expectStatus(answer, path, [200, 206]);
  const { status, headers } = answer;
  const size = sizeOf(answer);
  const digest = expected ?? readReprDigest(headers);
  if (size === undefined || digest === undefined) {
    const what = size === undefined ? 'size' : 'digest';
    throw new UpstreamError('refused', `the origin does not say the ${what} of ${path}`, {
      status,
    });
  }
  const wanted = Math.min(size, BLOCK_BYTES);
  const parts: Buffer[] = [];
  let length = 0;
  for await (const part of upstream.read(answer)) {
    parts.push(part);
    length += part.length;
    if (length >= wanted) break;
  }
  if (length < wanted) {
    throw new StorageError('unavailable', `${path}: the answer lacks ${wanted - length} bytes`);
  }
  const bytes = Buffer.concat(parts, wanted);
  if (size === wanted) verifyBytes(bytes, { digest }, `${path} of the origin`);
  return { digest, size, bytes };
}

/** An origin may answer with the whole file. */
function sizeOf({ status, headers }: UpstreamAnswer): number | undefined {
  const text =
    status === 206
      ? /^bytes 0-\d+\/(\d+)$/.exec(headers['content-range'] ?? '')?.[1]
      : headers['content-length'];
  const size = text !== undefined && /^\d{1,16}$/.test(text) ? Number(text) : NaN;
  return Number.isSafeInteger(size) && size > 0 ? size : undefined;
}
