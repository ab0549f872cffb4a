import { formatPlatform } from '../../storage/descriptor.ts';
import type { WrittenImage } from './release.ts';

/** What the demo reads of a published delta. */
export interface PublishedDelta {
  readonly digest: string;
  readonly size: number;
  readonly buildMs: number;
}

/** What the demo reads of a regional cache's status. */
export interface CacheStatus {
  /** Bytes that it fetched from the origin. */
  readonly egressBytes: number;
  /** Bytes that it served. */
  readonly servedBytes: number;
  /** Deltas that it fetched ahead of demand and holds whole. */
  readonly mirrored: readonly string[];
}

export async function getJson(url: string): Promise<unknown> {
  const answer = await fetch(url);
  if (answer.status !== 200) throw new Error(`${url} was answered ${answer.status}`);
  return answer.json();
}

export async function cacheStatus(url: string): Promise<CacheStatus> {
  return (await getJson(`${url}/v1/status`)) as CacheStatus;
}

/** The published delta to each of the release's images, by platform; exactly one each. */
export async function publishedDeltas(
  origin: string,
  product: string,
  release: readonly WrittenImage[],
): Promise<ReadonlyMap<string, PublishedDelta>> {
  const found = new Map<string, PublishedDelta>();
  for (const { platform, manifest } of release) {
    const query = new URLSearchParams({ repo: product, to: manifest.digest, state: 'published' });
    const { deltas } = (await getJson(`${origin}/v1/deltas?${query.toString()}`)) as {
      deltas: { result: PublishedDelta }[];
    };
    const [delta] = deltas;
    if (delta === undefined || deltas.length !== 1) {
      throw new Error(`${formatPlatform(platform)} has ${deltas.length} published deltas, not one`);
    }
    found.set(formatPlatform(platform), delta.result);
  }
  return found;
}
