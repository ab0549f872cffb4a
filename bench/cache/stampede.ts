import type { BenchBlob } from '../serve/content.ts';
import type { CachePeer } from './caches.ts';
import { download, type Download } from './download.ts';
import { blobUrl, getManifest } from './image.ts';
import { peakRss } from './peak-rss.ts';
import { originSent, withStand } from './stand.ts';

/** What many clients at once on one cold blob came to. */
export interface Stampede {
  readonly name: string;
  readonly clients: number;
  /** Whole copies by their digest, those who left on purpose, and transfers that broke. */
  readonly right: number;
  readonly wrong: number;
  readonly left: number;
  readonly broken: number;
  /** Why the first of them broke. */
  readonly firstFault: string | undefined;
  /** Bytes from the origin by the blob's size: as counted on the way, and as the origin says. */
  readonly egressRatio: number;
  readonly originRatio: number;
  readonly seconds: number;
  readonly peakRssBytes: number;
  /** After the origin has ended: the manifest by its tag, and the blob. */
  readonly alone: { readonly manifestStatus: number; readonly blob: Download['kind'] };
}

export interface StampedeOptions {
  readonly dir: string;
  readonly tag: string;
  readonly blob: BenchBlob;
  readonly clients: number;
  readonly random: () => number;
}

/**
 * All clients ask at once, each for the manifest and then for the blob; every third leaves at a
 * random byte. Then the origin is stopped, and the cache is asked again.
 */
export function measureStampede(peer: CachePeer, options: StampedeOptions): Promise<Stampede> {
  const { dir, tag, blob, clients, random } = options;
  const leaving = Array.from({ length: clients }, (_, index) =>
    index % 3 === 2 ? 1 + Math.floor(random() * (blob.bytes - 1)) : undefined,
  );
  return withStand(dir, peer, async ({ origin, proxy, cache, stopOrigin }) => {
    const [sentBefore, countedBefore] = [await originSent(origin.url), proxy.bytes()];
    const begun = performance.now();
    const results = await Promise.all(
      leaving.map(async (leaveAfter): Promise<Download> => {
        const status = await getManifest(cache.url, tag).catch(() => 0);
        if (status !== 200) return { kind: 'broken', bytes: 0, why: `manifest: status ${status}` };
        return download(blobUrl(cache.url, blob), blob, { leaveAfter });
      }),
    );
    const seconds = (performance.now() - begun) / 1000;
    const originRatio = ((await originSent(origin.url)) - sentBefore) / blob.bytes;
    const egressRatio = (proxy.bytes() - countedBefore) / blob.bytes;
    const peakRssBytes = await peakRss(cache.pid);
    await stopOrigin();
    const manifestStatus = await getManifest(cache.url, tag).catch(() => 0);
    const again = await download(blobUrl(cache.url, blob), blob);
    const count = (kind: Download['kind']): number =>
      results.filter((result) => result.kind === kind).length;
    return {
      name: peer.name,
      clients,
      right: count('right'),
      wrong: count('wrong'),
      left: count('left'),
      broken: count('broken'),
      firstFault: results.flatMap((result) => (result.kind === 'broken' ? [result.why] : []))[0],
      egressRatio,
      originRatio,
      seconds,
      peakRssBytes,
      alone: { manifestStatus, blob: again.kind },
    };
  });
}
