import type { Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { expectRange } from './answers.ts';
import type { CheckedFile } from './checked-file.ts';
import { DeviceError, toDeviceError } from './errors.ts';
import { bytesArrived, cutOff, getBlob, noteResumed, type FetchEnv } from './fetch-env.ts';
import { tryServers } from './retry.ts';

/** A range of a blob, and the file that it goes to, at the very places that it has in the blob. */
export interface WantedRange {
  readonly digest: Digest;
  readonly range: ByteRange;
  readonly file: CheckedFile;
  /** Places, ascending, the range's end the last, at which it may be broken off for want of a quota without loss. */
  readonly cuts: readonly number[];
}

/**
 * Fetches what the file lacks of a range. `check` looks at what is there then; when it throws, having
 * the file forget what is wrong, that is fetched again: from the next server, unless some of it was here
 * before and may have come from another.
 */
export async function fetchRange(
  env: FetchEnv,
  want: WantedRange,
  check: () => Promise<void>,
): Promise<void> {
  const { range, file } = want;
  const held = (): number => file.heldOf(range);
  await tryServers(env.bases, env, held, async (base) => {
    const found = held();
    try {
      for (let hole = file.hole(range); hole !== undefined; hole = file.hole(range)) {
        await fetchHole(env, `${base}${want.digest}`, want, hole);
      }
    } finally {
      await file.sync();
    }
    try {
      await check();
    } catch (error) {
      if (found === 0) throw error;
      const { code, message } = toDeviceError(error, base);
      throw new DeviceError(code, message, { cause: error, retryable: true });
    }
  });
}

/** Fetches of a hole what the budget has room for. */
async function fetchHole(
  env: FetchEnv,
  url: string,
  { digest, range, file, cuts }: WantedRange,
  hole: ByteRange,
): Promise<void> {
  let at = hole.start;
  if (at > range.start) noteResumed(env, digest, at);
  const endExclusive = affordable(env, at, hole.endExclusive, cuts);
  for await (const bytes of rangeBytes(env, url, { start: at, endExclusive })) {
    await file.write(bytes, at);
    at += bytes.length;
    await bytesArrived(env, bytes.length);
  }
}

/** The last cut up to which the quota lets a range go. */
function affordable(
  { budget }: FetchEnv,
  at: number,
  endExclusive: number,
  cuts: readonly number[],
): number {
  const room = budget.room(endExclusive - at);
  if (room >= endExclusive - at) return endExclusive;
  const cut = cuts.findLast((place) => place > at && place <= at + room);
  if (cut !== undefined) return cut;
  const frameEnd = cuts.find((place) => place > at) ?? endExclusive;
  return budget.refuse(frameEnd - at);
}

/** Exactly the bytes of a range, as they come; `unreachable` when they break off. */
async function* rangeBytes(env: FetchEnv, url: string, range: ByteRange): AsyncGenerator<Buffer> {
  const answer = await getBlob(env, url, {
    range: `bytes=${range.start}-${range.endExclusive - 1}`,
  });
  expectRange(answer, url, range);
  let at = range.start;
  for await (const bytes of answer.body) {
    at += bytes.length;
    if (at > range.endExclusive) {
      throw new DeviceError('bad_answer', `${url} sent more than the range asked for`);
    }
    await env.space.write(bytes.length);
    yield bytes;
  }
  if (at < range.endExclusive) throw cutOff(url);
}
