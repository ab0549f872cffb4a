import { join } from 'node:path';

import type { BenchBlob } from '../serve/content.ts';
import type { Generator, LoadResult } from '../serve/load/load.ts';
import type { RunningPeer } from '../serve/peers/peer.ts';
import { registryBlobPath } from '../serve/peers/registry.ts';
import { median } from '../serve/statistics.ts';
import type { CachePeer } from './caches.ts';
import { startProxy, type CountingProxy } from './counting-proxy.ts';
import { download } from './download.ts';
import { blobUrl, getManifest } from './image.ts';
import { startOrigin } from './stand.ts';

/** A load on blobs that every server has. */
export interface WarmLoad {
  readonly title: string;
  readonly blob: BenchBlob;
  readonly generator: Generator;
  readonly connections: number;
}

export interface WarmEntry {
  readonly title: string;
  readonly rounds: readonly LoadResult[];
  /** Bytes from the origin in these rounds, heads of answers included; none of the origin itself. */
  readonly egressBytes?: number;
  /** Why there are no figures: a registry that could not do it. */
  readonly failure?: string;
}

export interface WarmResult {
  readonly title: string;
  readonly generator: string;
  readonly connections: number;
  /** The origin first, asked as the first cache is. */
  readonly entries: readonly WarmEntry[];
}

export interface WarmOptions {
  readonly dir: string;
  /** An image that names every blob of the loads. */
  readonly tag: string;
  readonly loads: readonly WarmLoad[];
  readonly rounds: number;
  readonly seconds: number;
}

interface Contestant {
  readonly title: string;
  readonly server: RunningPeer;
  readonly path: (blob: BenchBlob) => string;
  /** The way to the origin; the origin itself has none. */
  readonly proxy?: CountingProxy;
}

/** Origin and caches under the same loads, in turns, the order turned round with every round. */
export async function measureWarm(
  peers: readonly CachePeer[],
  options: WarmOptions,
): Promise<readonly WarmResult[]> {
  const ends: (() => Promise<void>)[] = [];
  try {
    const contestants = await startAll(peers, options, ends);
    const results: WarmResult[] = [];
    for (const load of options.loads) results.push(await runLoad(load, contestants, options));
    return results;
  } finally {
    for (const end of ends.toReversed()) await end();
  }
}

/** The origin, and every cache with all blobs in it; pushes what ends them onto `ends`. */
async function startAll(
  peers: readonly CachePeer[],
  options: WarmOptions,
  ends: (() => Promise<void>)[],
): Promise<readonly Contestant[]> {
  const { dir, tag, loads } = options;
  const byDigest = ({ digest }: BenchBlob): string => `/v1/blobs/${digest}`;
  const inRepository = ({ digest }: BenchBlob): string => registryBlobPath(digest);
  const origin = await startOrigin(dir);
  ends.push(() => origin.stop());
  const contestants: Contestant[] = [{ title: 'origin', server: origin, path: byDigest }];
  for (const peer of peers) {
    const proxy: CountingProxy = await startProxy(origin.url);
    ends.push(() => proxy.close());
    const server = await peer.start({ dir: join(dir, `warm-${peer.name}`), upstream: proxy.url });
    ends.push(() => server.stop());
    await getManifest(server.url, tag);
    for (const { blob } of loads) {
      const { kind } = await download(blobUrl(server.url, blob), blob);
      if (kind !== 'right') throw new Error(`${peer.name}: the first download was ${kind}`);
    }
    const { name } = peer;
    if (name === 'rivulet') contestants.push({ title: 'rivulet', server, path: byDigest, proxy });
    const title = name === 'rivulet' ? 'rivulet /v2' : name;
    contestants.push({ title, server, path: inRepository, proxy });
  }
  return contestants;
}

async function runLoad(
  { title, blob, generator, connections }: WarmLoad,
  contestants: readonly Contestant[],
  { rounds, seconds }: WarmOptions,
): Promise<WarmResult> {
  const results = new Map<Contestant, LoadResult[]>(contestants.map((one) => [one, []]));
  const egress = new Map<Contestant, number>(contestants.map((one) => [one, 0]));
  const failures = new Map<Contestant, string>();
  // A round that counts for nothing comes first: what is compiled and opened late is then there.
  for (let round = -1; round < rounds; round += 1) {
    const order = round % 2 === 0 ? contestants : [...contestants].reverse();
    for (const contestant of order) {
      if (failures.has(contestant)) continue;
      const { server, path, proxy } = contestant;
      const before = proxy?.bytes() ?? 0;
      const gets = [{ path: path(blob), bytes: blob.bytes }] as const;
      try {
        const result = await generator.run({ url: server.url, gets, connections, seconds });
        if (round < 0) continue;
        results.get(contestant)?.push(result);
        const came = (proxy?.bytes() ?? 0) - before;
        egress.set(contestant, (egress.get(contestant) ?? 0) + came);
      } catch (error) {
        // A registry that fails under a load is a result; ours failing ends the bench.
        if (isOurs(contestant) || !(error instanceof Error)) throw error;
        failures.set(contestant, error.message);
      }
    }
  }
  const entries = contestants.map((contestant) => {
    const failure = failures.get(contestant);
    const entry = {
      title: contestant.title,
      rounds: results.get(contestant) ?? [],
      ...(contestant.proxy !== undefined && { egressBytes: egress.get(contestant) ?? 0 }),
    };
    return failure === undefined ? entry : { ...entry, failure };
  });
  return { title, generator: generator.name, connections, entries };
}

function isOurs({ title }: Contestant): boolean {
  return title === 'origin' || title.startsWith('rivulet');
}

/** The median over the rounds of one entry's requests/s by the origin's in the same round. */
export function ofOrigin({ entries }: WarmResult, entry: WarmEntry): number | undefined {
  const [origin] = entries;
  const ratios = entry.rounds.flatMap(({ requestsPerSecond }, round) => {
    const other = origin?.rounds[round];
    return other === undefined ? [] : [requestsPerSecond / other.requestsPerSecond];
  });
  return ratios.length === 0 ? undefined : median(ratios);
}
