import { mkdir } from 'node:fs/promises';
import { cpus } from 'node:os';
import { join } from 'node:path';

import { writeReport } from '../report-files.ts';
import { makeScratch } from '../scratch.ts';
import { SMALL_BYTES } from '../serve/content.ts';
import { findGenerators } from '../serve/generators.ts';
import { findCaches, type CachePeer } from './caches.ts';
import { measureGoals, type CacheResults } from './goals.ts';
import { makeBlob, pushImage } from './image.ts';
import { parseCacheOptions, type CacheBenchOptions } from './options.ts';
import { randomOf } from './random.ts';
import { cacheMarkdown } from './report.ts';
import { measureStampede, type Stampede } from './stampede.ts';
import { startOrigin } from './stand.ts';
import { measureWaiters, type WaitersResult } from './waiters.ts';
import { measureWarm } from './warm.ts';

const LARGE_CONNECTIONS = 4;

/**
 * `npm run bench -- cache`: a regional cache of ours, and the pull-through caches that are installed,
 * before an origin of ours: what the origin sends for many clients, what memory they cost, how
 * fast warm blobs are served, and what is left when the origin ends.
 */
export async function benchCache(args: readonly string[]): Promise<void> {
  const options = parseCacheOptions(args);
  const peers = await findCaches(options.peers);
  const { path: dir, remove } = await makeScratch('bench-cache');
  try {
    const results = await measureAll(peers, options, dir);
    const conditions = conditionsOf(peers, options);
    await writeReport(
      options.quick ? 'cache-quick' : 'cache',
      cacheMarkdown(conditions, results),
      { conditions, goals: measureGoals(results), ...results },
      { args, json: options.json },
    );
  } finally {
    await remove();
  }
}

async function measureAll(
  peers: readonly CachePeer[],
  { scale, seed }: CacheBenchOptions,
  dir: string,
): Promise<CacheResults> {
  const content = join(dir, 'content');
  await mkdir(content);
  const cold = await makeBlob(content, scale.coldBytes);
  const waited = await makeBlob(content, scale.waitedBytes);
  const small = await makeBlob(content, SMALL_BYTES);
  const large = await makeBlob(content, scale.largeBytes);
  const origin = await startOrigin(dir);
  try {
    await pushImage(origin.url, content, 'cold', [cold]);
    await pushImage(origin.url, content, 'waited', [waited]);
    await pushImage(origin.url, content, 'warm', [small, large]);
  } finally {
    await origin.stop();
  }
  const stampedes: Stampede[] = [];
  const waiters: WaitersResult[] = [];
  for (const peer of peers) {
    process.stderr.write(`${peer.name}: ${scale.clients} clients, ${scale.waiters} waiters\n`);
    const { clients, waiters: count } = scale;
    const random = randomOf(seed);
    stampedes.push(await measureStampede(peer, { dir, tag: 'cold', blob: cold, clients, random }));
    waiters.push(await measureWaiters(peer, { dir, tag: 'waited', blob: waited, waiters: count }));
  }
  process.stderr.write('warm blobs\n');
  const generators = await findGenerators();
  const warm = await measureWarm(peers, {
    ...{ dir, tag: 'warm', rounds: scale.rounds, seconds: scale.seconds },
    loads: [
      {
        ...{ title: '4 KiB', blob: small, generator: generators.small },
        connections: scale.connections,
      },
      {
        ...{ title: `${scale.largeBytes / 1e6} MB`, blob: large, generator: generators.large },
        connections: LARGE_CONNECTIONS,
      },
    ],
  });
  return { stampedes, waiters, warm };
}

/** What a reader has to know to judge the figures. */
function conditionsOf(
  peers: readonly CachePeer[],
  { quick, scale, seed, peers: wanted }: CacheBenchOptions,
): string[] {
  const absent = wanted.filter((name) => !peers.some((peer) => peer.name === name));
  return [
    ...(quick ? ['A quick run: it shows that everything runs, its rates mean nothing.'] : []),
    [
      ...peers.map(({ name, version }) => `${name} ${version}`),
      ...absent.map((name) => `${name} is not installed`),
    ].join('; '),
    `A cold blob of ${scale.coldBytes / 1e6} MB, ${scale.clients} clients at once, each on a connection of its own: manifest by tag, then the blob; every third leaves at a random byte (seed ${seed}). Every other copy is digested. Egress is what came through a counting proxy before the origin (manifests and heads of answers included), and what the origin's own metric says of blobs.`,
    `Waiters: nothing comes from the origin until all ${scale.waiters} have asked for a cold blob of ${scale.waitedBytes / 1e6} MB; every fourth then reads slowly, each at another pace.`,
    `Warm: medians of ${scale.rounds} round(s) of ${scale.seconds} s, origin and caches in turns after a round that does not count; "by the origin" is the median over the rounds of a row's requests/s by the origin's in the same round; egress is what came from the origin in these rounds.`,
    `All servers run on loopback with one process, and share ${cpus().length} cores with the clients; the registries are Go programs and take every core.`,
  ];
}
