import { constants } from 'node:fs';
import { open } from 'node:fs/promises';

import type { Digest } from '../../storage/digest.ts';
import type { ByteRange } from '../../storage/object-store.ts';
import { expectRange } from './answers.ts';
import { writeAt } from './durable.ts';
import { DeviceError } from './errors.ts';
import { bytesArrived, cutOff, getBlob, noteResumed, type FetchEnv } from './fetch-env.ts';
import { tryServers } from './retry.ts';

/** A range of a blob, and the file that it goes to, at the very places that it has in the blob. */
export interface WantedRange {
  readonly digest: Digest;
  readonly range: ByteRange;
  readonly path: string;
  /** Places, ascending, the range's end the last, at which it may be broken off for want of a quota without loss. */
  readonly cuts: readonly number[];
}

/** Writes a range to its file. `check` looks at what came; when it throws, the next server is asked. */
export async function fetchRange(
  env: FetchEnv,
  { digest, range, path, cuts }: WantedRange,
  check: () => Promise<void>,
): Promise<void> {
  const file = await open(path, constants.O_RDWR | constants.O_CREAT);
  let at = range.start;
  try {
    await tryServers(
      env.bases,
      env,
      () => at,
      async (base) => {
        while (at < range.endExclusive) {
          if (at > range.start) noteResumed(env, digest, at);
          const endExclusive = affordable(env, at, range.endExclusive, cuts);
          for await (const bytes of rangeBytes(env, `${base}${digest}`, {
            start: at,
            endExclusive,
          })) {
            await writeAt(file, bytes, at);
            at += bytes.length;
            await bytesArrived(env, bytes.length);
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
