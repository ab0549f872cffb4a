import { DigestHasher, digestAlgorithm, type Digest } from '../../storage/digest.ts';
import { isStorageError, StorageError } from '../../storage/errors.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { HttpError } from '../http/errors.ts';
import { pause, pauseAfter, type RetryPolicy } from './retry.ts';
import { StoreAwayError } from './store-away.ts';
import type { OpenAtOrigin } from './upstream-blobs.ts';

export interface PassThroughOptions {
  readonly open: OpenAtOrigin;
  readonly digest: Digest;
  /** Bytes of the whole blob. */
  readonly size: number;
  readonly retry: RetryPolicy;
  readonly signal: AbortSignal | undefined;
}

/** A range of a blob straight from the origin, nothing kept; a broken connection is taken up again. */
export async function* passRange(
  range: ByteRange,
  { open, retry, signal }: PassThroughOptions,
): AsyncGenerator<Buffer, void, undefined> {
  let { start } = range;
  const { endExclusive } = range;
  let failures = 0;
  while (start < endExclusive) {
    try {
      const { bytes } = await open({ start, endExclusive }, { signal });
      for await (const part of bytes) {
        start += part.length;
        failures = 0;
        yield part;
      }
    } catch (error) {
      if (!(error instanceof StorageError) || error.code !== 'unavailable') throw error;
      failures += 1;
      if (failures >= retry.attempts) throw error;
      await pause(pauseAfter(failures, retry), signal);
    }
  }
}

/**
 * The rest of a blob from byte `start`, of which `before` are the bytes in front: the last part is
 * held back until the whole digest is right. Throws `digest_mismatch`.
 */
export async function* passRest(
  start: number,
  before: AsyncIterable<Buffer> | Iterable<Buffer>,
  options: PassThroughOptions,
): AsyncGenerator<Buffer, void, undefined> {
  const { digest, size } = options;
  const hasher = new DigestHasher(digestAlgorithm(digest));
  for await (const part of before) hasher.update(part);
  let held: Buffer | undefined;
  for await (const part of passRange({ start, endExclusive: size }, options)) {
    if (held !== undefined) yield held;
    hasher.update(part);
    held = part;
  }
  if (hasher.digest() !== digest) {
    throw new StorageError('digest_mismatch', `${digest}: the origin's bytes are others`, {
      detail: { digest },
    });
  }
  if (held !== undefined) yield held;
}

/** A range that passes through and whose first bytes are there. */
export interface BegunPass {
  /** All of the range. */
  readonly parts: AsyncGenerator<Buffer, void, undefined>;
  /** Ends the transfer, however far it is. */
  readonly close: () => Promise<void>;
}

/**
 * Begins to pass a range of a blob, which could not be kept for the reason `why`: an origin that is gone
 * is an error here. Throws `HttpError` `unavailable` that names both when the bucket is away as well.
 */
export async function beginPass(
  range: ByteRange,
  options: PassThroughOptions,
  why: unknown,
): Promise<BegunPass> {
  const { size, digest } = options;
  const isWhole = range.start === 0 && range.endExclusive === size;
  const source = isWhole ? passRest(0, [], options) : passRange(range, options);
  try {
    const first = await source.next();
    const parts = async function* (): AsyncGenerator<Buffer, void, undefined> {
      if (first.done !== true) yield first.value;
      yield* source;
    };
    const close = async (): Promise<void> => {
      await source.return();
    };
    return { parts: parts(), close };
  } catch (error) {
    if (!isStorageError(error, 'unavailable') || !(why instanceof StoreAwayError)) throw error;
    const cause = new AggregateError([why, error], `${why.message}, and the origin is gone`);
    const text = `${digest}: neither the bucket of this cache nor its origin answers: try again later`;
    throw new HttpError('unavailable', text, { cause, detail: { failing: ['store', 'origin'] } });
  }
}
