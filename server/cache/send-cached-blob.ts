import { digestAlgorithm, digestOf, type Digest } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import type { RepoName } from '../../storage/names.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { checkConditions, rangeHolds } from '../http/conditions.ts';
import type { Exchange } from '../http/exchange.ts';
import { parseRange } from '../http/range.ts';
import { sendBlob, sendRead } from '../http/send-blob.ts';
import type { BlobCache } from './blob-cache.ts';
import type { OriginBlob } from './upstream-blobs.ts';

/**
 * Answers GET or HEAD for a blob out of the cache, filling it as it is read. Throws before anything
 * is sent when not even the first byte is to be had; later faults break the transfer off.
 */
export async function sendCachedBlob(
  x: Exchange,
  cache: BlobCache,
  digest: Digest,
  repo?: RepoName,
): Promise<void> {
  const size = await cache.size(digest, repo);
  if (size === 0) checkEmpty(digest);
  await sendLeasedBlob(x, cache, { digest, size });
}

/**
 * As {@link sendCachedBlob}, of a registry: `size` as that says, undefined when it is gone and only what
 * is here counts. Throws `size_mismatch` when other registries say otherwise.
 */
export async function sendRegistryBlob(
  x: Exchange,
  cache: BlobCache,
  { size, ...blob }: Omit<OriginBlob, 'size'> & { readonly size: number | undefined },
): Promise<void> {
  const { digest } = blob;
  const known = await cache.knownSize(digest);
  if (known === undefined && size === undefined) {
    throw new StorageError('unavailable', `${digest} is not here, and its registry is gone`);
  }
  if (known !== undefined && size !== undefined && known !== size) {
    const text = `${digest} has ${known} bytes, its registry says ${size}`;
    throw new StorageError('size_mismatch', text, { detail: { digest, known, size } });
  }
  const bytes = size ?? known ?? 0;
  if (bytes === 0) checkEmpty(digest);
  await sendLeasedBlob(x, cache, { ...blob, size: bytes });
}

/**
 * As {@link sendCachedBlob}, for a blob of which the size is known. `fresh`: its first bytes were fetched
 * for this request, so that it counts as a miss.
 */
export async function sendLeasedBlob(
  x: Exchange,
  cache: BlobCache,
  blob: OriginBlob,
  fresh = false,
): Promise<void> {
  const { digest, size } = blob;
  const first = firstRange(x, digest, size);
  if (first === undefined) {
    // The answer has no body that would need the blob: HEAD, 304, 412, 416 or nothing at all.
    const none = (): never => {
      throw new StorageError('unavailable', `${digest} was not to be read`);
    };
    await sendBlob(x, { digest, size, open: none });
    return;
  }
  const lease = await cache.lease(blob, first, fresh);
  try {
    await lease.ready(x.signal);
    const { bufferBytes } = lease;
    await sendRead(x, {
      digest,
      size,
      bufferBytes,
      read: (ranges) => lease.read(ranges, x.signal),
    });
  } finally {
    lease.release();
  }
}

/** The range that will be sent first; undefined when none will be. */
function firstRange({ req }: Exchange, digest: Digest, size: number): ByteRange | undefined {
  const etag = `"${digest}"`;
  if (req.method === 'HEAD' || size === 0) return undefined;
  if (checkConditions(req.headers, etag) !== 'proceed') return undefined;
  const asked = rangeHolds(req.headers, etag) ? parseRange(req.headers.range, size) : undefined;
  switch (asked?.kind) {
    case undefined:
    case 'whole':
      return { start: 0, endExclusive: size };
    case 'single':
      return asked.range;
    case 'multi':
      return asked.ranges[0];
    case 'unsatisfiable':
    case 'too_many':
      return undefined;
  }
}

/** The origin says that the blob is empty: then there is only one digest that it can have. */
function checkEmpty(digest: Digest): void {
  if (digestOf(new Uint8Array(), digestAlgorithm(digest)) === digest) return;
  throw new StorageError('digest_mismatch', `the origin says that ${digest} is empty`, {
    detail: { digest },
  });
}
