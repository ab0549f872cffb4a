import { readdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';

import { Coverages } from './link/coverages.ts';

const NAME = /^sha256-([0-9a-f]{64})(\.part|\.sparse)?$/;

/** Reads a blob of the origin; each is asked for once. */
export function blobReader(url: () => string): (digest: string) => Promise<Buffer> {
  const blobs = new Map<string, Buffer>();
  return async (digest) => {
    const known = blobs.get(digest);
    if (known !== undefined) return known;
    const answer = await fetch(`${url()}/v1/blobs/${digest}`);
    if (answer.status !== 200) throw new Error(`${digest} was answered with ${answer.status}`);
    const bytes = Buffer.from(await answer.arrayBuffer());
    blobs.set(digest, bytes);
    return bytes;
  };
}

/**
 * The bytes of blobs that lie right in a device's download folder, whatever the agent makes of them:
 * every byte there is compared with the origin's. See delta/agent/STATE.md for the names.
 */
export async function heldBytes(
  data: string,
  readBlob: (digest: string) => Promise<Buffer>,
): Promise<Coverages> {
  const held = new Coverages();
  for (const name of await namesIn(join(data, 'fetch'))) {
    const [, hex] = NAME.exec(name) ?? [];
    if (hex === undefined) continue;
    const digest = `sha256:${hex}`;
    const ours = await readIfThere(join(data, 'fetch', name));
    if (ours === undefined) continue;
    const theirs = await readBlob(digest);
    for (const [start, endExclusive] of equalRanges(ours, theirs)) {
      held.of(digest).add({ start, endExclusive });
    }
  }
  return held;
}

/** Bytes this few between two that differ are chance. */
const LEAST_BYTES = 16;
const BLOCK_BYTES = 4096;

function* equalRanges(ours: Buffer, theirs: Buffer): Generator<readonly [number, number]> {
  const end = Math.min(ours.length, theirs.length);
  for (let start = 0; start < end;) {
    const at = firstDifference(ours, theirs, start, end);
    if (at - start >= LEAST_BYTES) yield [start, at];
    start = at + 1;
  }
}

/** The first place from `start` on where the two differ; `end` when there is none. */
function firstDifference(ours: Buffer, theirs: Buffer, start: number, end: number): number {
  let at = start;
  for (; at + BLOCK_BYTES <= end; at += BLOCK_BYTES) {
    const next = at + BLOCK_BYTES;
    if (ours[at] !== theirs[at] || ours.compare(theirs, at, next, at, next) !== 0) break;
  }
  while (at < end && ours[at] === theirs[at]) at += 1;
  return at;
}

async function namesIn(folder: string): Promise<readonly string[]> {
  return (await ifThere(readdir(folder))) ?? [];
}

/** A file's bytes; undefined when a running agent has just removed it. */
function readIfThere(path: string): Promise<Buffer | undefined> {
  return ifThere(readFile(path));
}

async function ifThere<T>(reading: Promise<T>): Promise<T | undefined> {
  try {
    return await reading;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
    throw error;
  }
}
