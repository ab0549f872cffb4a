import { once } from 'node:events';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { describe, expect, onTestFinished, test } from 'vitest';

import type { PlatformFacts } from '../../../../delta/agent/protocol.ts';
import type { MirrorStatus } from '../../../../server/cache/mirror/status.ts';
import type { CacheConfig } from '../../../../server/config.ts';
import { formatChunkIndex, type ChunkIndex } from '../../../../storage/chunk/chunk-index.ts';
import type { Digest } from '../../../../storage/digest.ts';
import { spawnTypescript } from '../../../support/typescript-child.ts';
import { named, sampleAsk, sampleFacts, samplePlatform } from '../../updates/sample.ts';
import { answerJson, type FakeOrigin } from '../origin.ts';
import {
  ask,
  MIB,
  noise,
  startOrigin,
  startTestCache,
  statusOf,
  tempFolder,
  until,
} from '../tools.ts';

const LAYERS: CacheConfig['mirror'] = [
  { repositories: 'demo/*', tags: '**', what: ['layers'], fromScratch: false },
];
const CHUNKS: CacheConfig['mirror'] = [
  { repositories: 'demo/*', tags: '**', what: ['chunks'], fromScratch: false },
];

/** Tells of one release, which may be set anew. */
function serveRelease(origin: FakeOrigin, first: PlatformFacts): { release: PlatformFacts } {
  const told = { release: first };
  origin.intercept = (x) => {
    if (x.path === '/v1/releases') answerJson(x, { releases: [sampleFacts(told.release)] });
    else if (x.path === '/v1/check') x.res.writeHead(204, { 'rivulet-reason': 'no_release' }).end();
    else return false;
    return true;
  };
  return told;
}

/** An image whose manifest and config the origin has. */
function image(origin: FakeOrigin, seed: number, layers: PlatformFacts['layers']): PlatformFacts {
  const [manifest, config] = [noise(700, seed), noise(800, seed + 1)];
  return samplePlatform({
    manifest: { digest: origin.add(manifest), size: manifest.length },
    config: { digest: origin.add(config), size: config.length },
    layers,
    deltas: [],
  });
}

async function mirrorOf(url: string): Promise<MirrorStatus> {
  return (await statusOf(url))['mirror'] as MirrorStatus;
}

/** Times that a blob, or a range of it, was asked of the origin. */
function askedFor(origin: FakeOrigin, digest: Digest): number {
  return origin.seen.filter((line) => line.startsWith('GET') && line.endsWith(digest)).length;
}

async function checkAs(url: string, current: Digest): Promise<void> {
  await ask(`${url}/v1/check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'rivulet-device': 'till-7' },
    body: JSON.stringify({
      ...sampleAsk('v1'),
      current: [{ kind: 'oci', name: 'demo/app', digest: current }],
    }),
  });
}

test('outside of the window nothing is fetched; once it opens, all of it; then nothing again', async () => {
  const origin = await startOrigin();
  const layer = noise(3 * MIB);
  const digest = origin.add(layer);
  serveRelease(origin, image(origin, 2, [{ digest, size: layer.length, diffId: named('diff') }]));
  let nowMs = Date.UTC(2026, 10, 30, 1, 30);
  const mirror = { rules: LAYERS, windows: '02:00-03:00', zone: 'UTC', maxBps: 0, budget: 0.5 };
  const cache = await startTestCache(origin.url, { mirror, refreshMs: 20 }, { clock: () => nowMs });
  await until(() => origin.seen.length > 5);
  const closed = await mirrorOf(cache.url);
  expect(closed).toMatchObject({ open: false, opensMs: Date.UTC(2026, 10, 30, 2, 0) });
  expect(closed.lacks.map(({ name }) => name)).toContain(digest);
  expect(new Set(origin.seen)).toEqual(new Set(['GET /v1/releases']));
  nowMs = Date.UTC(2026, 10, 30, 2, 15);
  await until(async () => (await mirrorOf(cache.url)).here.bytes >= layer.length);
  expect(askedFor(origin, digest)).toBe(1);
  const seen = origin.seen.length;
  await until(() => origin.seen.length > seen + 5);
  expect(askedFor(origin, digest)).toBe(1);
  await origin.stop();
  expect((await ask(`${cache.url}/v1/blobs/${digest}`)).body.equals(layer)).toBe(true);
});

test('what the budget does not hold is told, and not fetched; what it holds stays', async () => {
  const origin = await startOrigin();
  const [small, large] = [noise(2 * MIB), noise(5 * MIB, 2)];
  const [a, b] = [origin.add(small), origin.add(large)];
  serveRelease(
    origin,
    image(origin, 3, [
      { digest: b, size: large.length, diffId: named('b') },
      { digest: a, size: small.length, diffId: named('a') },
    ]),
  );
  const mirror = { rules: LAYERS, zone: '', maxBps: 0, budget: 0.5 };
  const options = { mirror, refreshMs: 50, budgetBytes: 6 * MIB };
  const cache = await startTestCache(origin.url, options);
  await until(async () => (await mirrorOf(cache.url)).here.bytes >= small.length);
  expect(await mirrorOf(cache.url)).toMatchObject({
    beyondBudget: { count: 1, bytes: large.length },
  });
  expect(askedFor(origin, b)).toBe(0);
  // Others come and go.
  for (const seed of [7, 8, 9])
    await ask(`${cache.url}/v1/blobs/${origin.add(noise(2 * MIB, seed))}`);
  await origin.stop();
  expect((await ask(`${cache.url}/v1/blobs/${a}`)).body.equals(small)).toBe(true);
});

test('a fault is told, does not hold up what comes after it, and goes once it is mended', async () => {
  const origin = await startOrigin();
  const layer = noise(100_000);
  const lost = noise(50_000, 9);
  const digest = origin.add(layer);
  const missing = origin.add(lost);
  origin.blobs.delete(missing);
  serveRelease(
    origin,
    image(origin, 2, [
      { digest: missing, size: lost.length, diffId: named('lost') },
      { digest, size: layer.length, diffId: named('diff') },
    ]),
  );
  const cache = await startTestCache(origin.url, { mirror: LAYERS, refreshMs: 50 });
  await until(async () => (await mirrorOf(cache.url)).here.bytes >= layer.length);
  // The last fault is told; the tag has one too.
  await until(async () => (await mirrorOf(cache.url)).lastError?.name === missing);
  origin.add(lost);
  await until(async () => (await mirrorOf(cache.url)).lacking.count === 1);
  // The tag: this origin has no `/v2/` for it.
  expect((await mirrorOf(cache.url)).lacks.map(({ kind }) => kind)).toEqual(['tag']);
});

test('a newer release is taken up while an older one is on its way, and goes first', async () => {
  const origin = await startOrigin();
  const [large, small] = [noise(5 * MIB), noise(MIB, 2)];
  const [old, fresh] = [origin.add(large), origin.add(small)];
  const told = serveRelease(
    origin,
    image(origin, 3, [{ digest: old, size: large.length, diffId: named('old') }]),
  );
  const answer = origin.intercept;
  const held: (() => void)[] = [];
  onTestFinished(() => {
    for (const release of held) release();
  });
  origin.intercept = async (x) => {
    // It never comes.
    if (x.path.endsWith(old)) await new Promise<void>((resolve) => held.push(resolve));
    return (await answer?.(x)) ?? false;
  };
  const cache = await startTestCache(origin.url, { mirror: LAYERS, refreshMs: 50 });
  await until(() => held.length > 0);
  told.release = image(origin, 5, [{ digest: fresh, size: small.length, diffId: named('new') }]);
  await until(async () => (await mirrorOf(cache.url)).here.bytes >= small.length);
  expect([askedFor(origin, old), askedFor(origin, fresh)]).toEqual([1, 1]);
});

test('kill -9 in the middle: the next run goes on, and fetches nothing again that it had', async () => {
  const origin = await startOrigin();
  const layer = noise(12 * MIB);
  const digest = origin.add(layer);
  serveRelease(origin, image(origin, 2, [{ digest, size: layer.length, diffId: named('diff') }]));
  const data = await tempFolder();
  // Counted out by the block.
  const mirror = { rules: LAYERS, zone: '', maxBps: 1e12, budget: 0.5 };
  const change = JSON.stringify({ mirror, refreshMs: 50 });
  const file = join(import.meta.dirname, '../ostree/cache-child.ts');
  origin.pauseMs = 10;
  const child = spawnTypescript(file, [origin.url, data, change]);
  onTestFinished(() => {
    child.kill('SIGKILL');
  });
  await once(createInterface({ input: child.stdout }), 'line');
  await until(() => origin.sent > 5 * MIB);
  child.kill('SIGKILL');
  await once(child, 'exit');
  origin.pauseMs = 0;
  const cache = await startTestCache(origin.url, { data, mirror, refreshMs: 50 });
  await until(async () => (await mirrorOf(cache.url)).here.bytes >= layer.length);
  // What was on its way, and the block that was in hand.
  expect(origin.sent).toBeLessThan(layer.length + 2 * MIB);
  await origin.stop();
  expect((await ask(`${cache.url}/v1/blobs/${digest}`)).body.equals(layer)).toBe(true);
}, 180_000);

describe('chunks', () => {
  const OLD_PACK = noise(6 * MIB, 20);
  const NEW_PACK = noise(6 * MIB, 21);

  /** Chunks of 100,000 bytes at these offsets of a pack. */
  function indexOf(
    diffId: string,
    ...packs: readonly (readonly [Digest, readonly number[]])[]
  ): ChunkIndex {
    const chunks = packs.flatMap(([digest, offsets], pack) =>
      offsets.map((offset) => ({
        digest: named(`${digest} ${offset}`),
        rawLength: 100_000,
        pack,
        offset,
        length: 99_000,
      })),
    );
    const rawSize = chunks.length * 100_000;
    return { diffId: named(diffId), rawSize, packs: packs.map(([digest]) => digest), chunks };
  }

  function chunkedImage(
    origin: FakeOrigin,
    seed: number,
    index: ChunkIndex,
    size: number,
  ): PlatformFacts {
    const bytes = formatChunkIndex(index);
    const layer = { digest: named(`layer ${seed}`), size, diffId: index.diffId };
    const told = { digest: origin.add(bytes), size: bytes.length };
    return image(origin, seed, [{ ...layer, rawSize: index.rawSize, index: told }]);
  }

  interface Update {
    readonly origin: FakeOrigin;
    readonly cache: Awaited<ReturnType<typeof startTestCache>>;
    readonly packs: readonly [Digest, Digest];
  }

  /** A release whose layer has this size comes after one that lives here. */
  async function updateWith(layerBytes: number): Promise<Update> {
    const origin = await startOrigin();
    const packs = [origin.add(OLD_PACK), origin.add(NEW_PACK)] as const;
    const [before, after] = [
      indexOf('old', [packs[0], [16, 2 * MIB, 3 * MIB]]),
      indexOf('new', [packs[0], [16, 3 * MIB]], [packs[1], [100, 4 * MIB + 1000]]),
    ];
    const first = chunkedImage(origin, 30, before, layerBytes);
    const told = serveRelease(origin, first);
    const cache = await startTestCache(origin.url, { mirror: CHUNKS, refreshMs: 50 });
    await checkAs(cache.url, first.manifest.digest);
    await until(async () => (await statusOf(cache.url))['ageSeconds'] === 0);
    const second = chunkedImage(origin, 40, after, layerBytes);
    told.release = second;
    await until(() => askedFor(origin, second.config.digest) > 0);
    await until(async () => {
      const { lacks } = await mirrorOf(cache.url);
      return lacks.every(({ kind }) => kind === 'tag' || kind === 'layer');
    });
    return { origin, cache, packs };
  }

  test('of a new release: only blocks of packs that a device of the old one lacks', async () => {
    const { origin, cache, packs } = await updateWith(5 * MIB);
    await until(async () => (await mirrorOf(cache.url)).lacks.every(({ kind }) => kind === 'tag'));
    const ranges = origin.asked.filter((range) => range?.startsWith('bytes=') === true);
    expect(ranges).toEqual([`bytes=0-${MIB - 1}`, `bytes=${4 * MIB}-${5 * MIB - 1}`]);
    expect([askedFor(origin, packs[0]), askedFor(origin, packs[1])]).toEqual([0, 2]);
    await origin.stop();
    const url = `${cache.url}/v1/blobs/${packs[1]}`;
    const part = await ask(url, {
      headers: { range: `bytes=${4 * MIB + 1000}-${4 * MIB + 99_999}` },
    });
    expect(part.body.equals(NEW_PACK.subarray(4 * MIB + 1000, 4 * MIB + 100_000))).toBe(true);
    const other = await ask(url, { headers: { range: `bytes=${2 * MIB}-${2 * MIB + 9}` } });
    expect(other.status).toBe(503);
  });

  test('where they come to as much as the layer, it is the layer that is wanted', async () => {
    const { origin, cache, packs } = await updateWith(MIB);
    expect([askedFor(origin, packs[0]), askedFor(origin, packs[1])]).toEqual([0, 0]);
    const { lacks } = await mirrorOf(cache.url);
    expect(lacks.map(({ name }) => name)).toContain(named('layer 40'));
  });

  test('of plans that are offered are not evicted, though nothing is fetched ahead', async () => {
    const origin = await startOrigin();
    const [pack, other] = [noise(2 * MIB, 50), noise(2 * MIB, 51)].map((bytes) =>
      origin.add(bytes),
    );
    if (pack === undefined || other === undefined) throw new Error('two packs');
    const release = chunkedImage(origin, 60, indexOf('new', [pack, [16, MIB + 16]]), 20 * MIB);
    serveRelease(origin, release);
    const budgetBytes = 5 * MIB;
    const { url } = await startTestCache(origin.url, { budgetBytes, refreshMs: 20 });
    const get = async (digest: string) => (await ask(`${url}/v1/blobs/${digest}`)).status;
    await checkAs(url, named('v1'));
    const index = release.layers[0]?.index?.digest ?? '';
    for (const digest of [index, pack, other]) expect(await get(digest)).toBe(200);
    const looks = (): number => origin.seen.filter((line) => line.endsWith('/v1/releases')).length;
    const before = looks();
    await until(() => looks() > before + 2);
    for (const seed of [52, 53]) await get(origin.add(noise(2 * MIB, seed)));
    await origin.stop();
    expect([await get(pack), await get(other)]).toEqual([200, 503]);
  });
});
