import { readFile } from 'node:fs/promises';

import type { BenchBlob } from './content.ts';
import { ask } from './request.ts';

/** The repository that the blobs are pushed to. */
export const REPOSITORY = 'bench/blobs';

/** Pushes that run side by side. */
const AT_ONCE = 16;

/** Pushes blobs into a registry, each whole. */
export async function pushBlobs(url: string, blobs: readonly BenchBlob[]): Promise<void> {
  const left = [...blobs];
  const pusher = async (): Promise<void> => {
    for (let blob = left.pop(); blob !== undefined; blob = left.pop()) await pushBlob(url, blob);
  };
  await Promise.all(Array.from({ length: AT_ONCE }, pusher));
}

async function pushBlob(url: string, { digest, file }: BenchBlob): Promise<void> {
  const body = await readFile(file);
  const headers = { 'content-type': 'application/octet-stream', 'content-length': body.length };
  const target = new URL(`${url}/v2/${REPOSITORY}/blobs/uploads/`);
  target.searchParams.set('digest', digest);
  const posted = await ask(target.href, { method: 'POST', headers, body });
  if (posted.status === 201) return;
  const { location } = posted.headers;
  if (posted.status !== 202 || location === undefined) {
    throw new Error(`${url} answered an upload with ${posted.status}`);
  }
  // A registry that does not take the bytes with the POST opens a session instead.
  const session = new URL(location, url);
  session.searchParams.set('digest', digest);
  const { status } = await ask(session.href, { method: 'PUT', headers, body });
  if (status !== 201) throw new Error(`${url} answered the bytes of ${digest} with ${status}`);
}
