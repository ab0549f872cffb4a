import { mkdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import { ask } from '../serve/request.ts';
import type { RunningPeer } from '../serve/peers/peer.ts';
import { rivuletPeer } from '../serve/peers/rivulet.ts';
import type { CachePeer } from './caches.ts';
import { startProxy, type CountingProxy } from './counting-proxy.ts';

/** An origin of ours, and behind a counting proxy one cache. */
export interface CacheStand {
  readonly origin: RunningPeer;
  readonly proxy: CountingProxy;
  readonly cache: RunningPeer;
  /** The origin ends, and what led to it. */
  readonly stopOrigin: () => Promise<void>;
}

/**
 * Starts an origin in `dir`/origin, which keeps what is pushed to it from one stand to the next, and
 * a cold cache; ends both after `work`, and removes what the cache kept.
 */
export async function withStand<T>(
  dir: string,
  peer: CachePeer,
  work: (stand: CacheStand) => Promise<T>,
): Promise<T> {
  const ends: (() => Promise<void>)[] = [];
  try {
    const origin = await startOrigin(dir);
    const proxy = await startProxy(origin.url);
    let gone: Promise<void> | undefined;
    const stopOrigin = (): Promise<void> => (gone ??= proxy.close().then(() => origin.stop()));
    ends.push(stopOrigin);
    const folder = join(dir, `cache-${peer.name}`);
    ends.push(() => rm(folder, { recursive: true, force: true }));
    const cache = await peer.start({ dir: folder, upstream: proxy.url });
    ends.push(() => cache.stop());
    return await work({ origin, proxy, cache, stopOrigin });
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/** An origin of ours on the folder that all stands share. */
export async function startOrigin(dir: string): Promise<RunningPeer> {
  const folder = join(dir, 'origin');
  await mkdir(folder, { recursive: true });
  return rivuletPeer().start({ dir: folder, content: folder, workers: 1 });
}

/** Body bytes of blobs that the origin says it has sent. */
export async function originSent(url: string): Promise<number> {
  const { body } = await ask(`${url}/metrics`, {});
  const lines = body.toString().matchAll(/^rivulet_bytes_served_total\{[^}]*\} (\S+)$/gm);
  return [...lines].reduce((sum, [, value]) => sum + Number(value), 0);
}
