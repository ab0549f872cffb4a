import { setTimeout as sleep } from 'node:timers/promises';

import type { BenchBlob } from '../serve/content.ts';
import type { CachePeer } from './caches.ts';
import { download } from './download.ts';
import { blobUrl, getManifest } from './image.ts';
import { peakRss } from './peak-rss.ts';
import { withStand } from './stand.ts';

/** What so many clients that wait for one cold blob cost the cache. */
export interface WaitersResult {
  readonly name: string;
  readonly waiters: number;
  readonly whole: number;
  readonly faults: number;
  readonly firstFault: string | undefined;
  readonly egressRatio: number;
  /** Of the cache's process when it had just started, and its peak when all had their copy. */
  readonly startRssBytes: number;
  readonly peakRssBytes: number;
}

export interface WaitersOptions {
  readonly dir: string;
  readonly tag: string;
  readonly blob: BenchBlob;
  readonly waiters: number;
}

/** All of them have asked by then, as far as one can see from outside. */
const SETTLE_MS = 1500;
/** Every fourth client is slow, and each at another pace. */
const SLOW_EVERY = 4;
const SLOWEST_MS = 20;

/**
 * Nothing comes from the origin until every client has asked; then all read, every fourth slowly, so
 * that they are at many places of the blob.
 */
export function measureWaiters(peer: CachePeer, options: WaitersOptions): Promise<WaitersResult> {
  const { dir, tag, blob, waiters } = options;
  return withStand(dir, peer, async ({ proxy, cache }) => {
    const startRssBytes = await peakRss(cache.pid);
    // A registry that fetches with the manifest would otherwise have it all before anyone waits.
    if (peer.name !== 'zot') await getManifest(cache.url, tag);
    const before = proxy.bytes();
    proxy.hold();
    const all = Array.from({ length: waiters }, async (_, index) => {
      if (peer.name === 'zot') await getManifest(cache.url, tag).catch(() => 0);
      const pauseMs = index % SLOW_EVERY === 0 ? (index * SLOWEST_MS) / waiters : 0;
      return download(blobUrl(cache.url, blob), blob, { pauseMs, digest: false });
    });
    await sleep(SETTLE_MS);
    proxy.release();
    const results = await Promise.all(all);
    const faults = results.flatMap((result) => (result.kind === 'broken' ? [result.why] : []));
    return {
      name: peer.name,
      waiters,
      whole: results.filter(({ kind }) => kind === 'right').length,
      faults: faults.length,
      firstFault: faults[0],
      egressRatio: (proxy.bytes() - before) / blob.bytes,
      startRssBytes,
      peakRssBytes: await peakRss(cache.pid),
    };
  });
}
