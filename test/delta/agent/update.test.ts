import { mkdtemp, open, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { digestHex, digestOf, type Digest } from '../../../storage/digest.ts';
import type { DeltaPlan } from '../../../delta/agent/protocol.ts';
import { runAgent, startAgent, wholeCurrent, type AgentResult } from './agent-process.ts';
import { SampleRegion } from './sample-region.ts';
import { sampleTars, SampleStore, type SampleRelease } from './sample-release.ts';

let store: SampleStore;
let one: SampleRelease;
let two: SampleRelease;
let delta: DeltaPlan;
let region: SampleRegion;
let data: string;

beforeAll(async () => {
  store = new SampleStore();
  one = await store.release(sampleTars(1));
  two = await store.release(sampleTars(2));
  delta = await store.delta(one, two).catch(async () => ({ kind: 'delta', digest: (await store.blobs.putBytes(Buffer.alloc(5000))).digest, size: 5000, ramBytes: 1, from: one.manifest.digest, source: 'layers' }));
});

beforeEach(async () => {
  region = await SampleRegion.start(store.blobs);
  data = await mkdtemp(join(tmpdir(), 'rivulet-agent-'));
});

afterEach(async () => {
  await region.close();
  await rm(data, { recursive: true, force: true });
});

function update(...more: readonly string[]): Promise<AgentResult> {
  const base = [
    'update',
    '--json',
    '--data',
    data,
    '--server',
    region.url,
    '--product',
    'demo/app',
  ];
  return runAgent([...base, '--platform', 'linux/amd64', ...more]);
}

async function install(release: SampleRelease): Promise<void> {
  region.offer = { target: release, plans: [release.full] };
  const { result } = await update();
  expect(result).toMatchObject({ outcome: 'updated', to: release.manifest.digest });
  region.blobRequests.length = 0;
  region.events.length = 0;
}

async function slotBlob(slot: string, digest: Digest): Promise<string> {
  const path = join(data, 'slots', slot, 'blobs/sha256', digestHex(digest));
  expect(digestOf(await readFile(path))).toBe(digest);
  return path;
}

function fetched(digest: Digest): readonly (string | undefined)[] {
  return region.blobRequests.filter((r) => r.digest === digest).map((r) => r.range);
}

describe('a first install', () => {
  it('installs whole, remembers its options and is then up to date', async () => {
    region.offer = { target: one, plans: [one.full] };
    const first = await update('--device-id', 'dev-1', '--region', 'eu');
    expect(first.stderr).toBe('');
    expect(first.code).toBe(0);
    expect(first.result).toMatchObject({
      event: 'result',
      outcome: 'updated',
      to: one.manifest.digest,
      plan: 'full',
      bytes: one.full.size,
    });
    expect(await wholeCurrent(data)).toBe(one.manifest.digest);
    expect(region.checks[0]).toMatchObject({ product: 'demo/app', channel: 'latest', current: [] });
    expect([...region.devices]).toEqual(['dev-1']);
    expect(region.eventTypes()).toEqual([
      'downloading full',
      'applied full',
      'booted full',
      'healthy full',
    ]);
    const again = await runAgent(['update', '--json', '--data', data]);
    expect(again.result).toMatchObject({ outcome: 'up_to_date', to: one.manifest.digest });
    expect(region.checks[1]).toMatchObject({
      region: 'eu',
      current: [{ kind: 'oci', name: 'demo/app', digest: one.manifest.digest }],
    });
  });

  it('waits when there is no release, with the reason', async () => {
    const { code, result } = await update();
    expect(code).toBe(0);
    expect(result).toMatchObject({
      outcome: 'waiting',
      reason: 'no_release',
      retryAfterSeconds: 60,
    });
  });

  it('installs nothing when a layer is not what its digest promises', async () => {
    region.offer = { target: one, plans: [one.full] };
    for (const { digest } of (await manifestOf(one)).layers) region.flipped.add(digest);
    const { code, stderr } = await update();
    expect(code).toBe(1);
    expect(stderr.trim().split('\n')).toHaveLength(1);
    expect(stderr).toContain('[no_plan_worked]');
    expect(await wholeCurrent(data)).toBeUndefined();
    expect(region.events.at(-1)?.event).toMatchObject({ type: 'failed', code: 'corrupt' });
  });
});

async function manifestOf(release: SampleRelease): Promise<{ layers: { digest: Digest }[] }> {
  const parts: Buffer[] = [];
  for await (const part of await store.blobs.open(release.manifest.digest)) {
    parts.push(part as Buffer);
  }
  return JSON.parse(Buffer.concat(parts).toString('utf8')) as { layers: { digest: Digest }[] };
}

describe('an update', () => {
  it('goes by delta, and links the layer that stays', async () => {
    await install(one);
    region.offer = { target: two, plans: [delta, two.chunks, two.full] };
    const { code, result } = await update();
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'updated', plan: 'delta', bytes: delta.size });
    expect(await wholeCurrent(data)).toBe(two.manifest.digest);
    expect(new Set(region.blobRequests.map((r) => r.digest))).toEqual(new Set([delta.digest]));
    const [base] = one.diffIds;
    if (base === undefined) throw new Error('no base layer');
    const inode = async (slot: string): Promise<number> => {
      const file = await open(await slotBlob(slot, base));
      const { ino } = await file.stat();
      await file.close();
      return ino;
    };
    expect(await inode('a')).toBe(await inode('b'));
  });

  it('goes by chunks, and fetches only what the old release lacks', async () => {
    await install(one);
    region.offer = { target: two, plans: [two.chunks, two.full] };
    const { result } = await update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(await wholeCurrent(data)).toBe(two.manifest.digest);
    expect(Number(result['bytes'])).toBeLessThan(two.full.size / 2);
  });

  it('does not fetch layers that the old release has in a full plan', async () => {
    await install(one);
    region.offer = { target: two, plans: [two.full] };
    await update();
    const layers = (await manifestOf(two)).layers.map(({ digest }) => digest);
    expect(layers.map((digest) => fetched(digest).length)).toEqual([0, 1]);
  });

  it('takes the next plan when the delta is corrupt, and says so', async () => {
    await install(one);
    region.offer = { target: two, plans: [delta, two.chunks] };
    region.flipped.add(delta.digest);
    const { code, result } = await update();
    expect(code).toBe(0);
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(await wholeCurrent(data)).toBe(two.manifest.digest);
    expect(region.events.map(({ event }) => event)).toContainEqual(
      expect.objectContaining({ type: 'failed', plan: 'delta', code: 'corrupt' }),
    );
  });

  it('takes the next plan when the delta starts from another release', async () => {
    const other = await store.release(sampleTars(9));
    await install(other);
    region.offer = { target: two, plans: [delta, two.full] };
    const { result } = await update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'full' });
    expect(fetched(delta.digest)).toEqual([]);
    expect(region.events.map(({ event }) => event.code)).toContain('wrong_base');
  });

  it('repairs a damaged base: the delta refuses it, chunks and full fetch what is broken', async () => {
    await install(one);
    for (const diffId of one.diffIds) {
      const file = await open(await slotBlob('a', diffId), 'r+');
      await file.write(Buffer.from('damaged'), 0, 7, 100_000);
      await file.close();
    }
    region.offer = { target: two, plans: [delta, two.chunks] };
    const { result } = await update();
    expect(result).toMatchObject({ outcome: 'updated', plan: 'chunks' });
    expect(await wholeCurrent(data)).toBe(two.manifest.digest);
    expect(region.eventTypes()).toContain('failed delta');
  });

  it('refuses plans of a kind it does not know by leaving them out', async () => {
    await install(one);
    const strange = { ...two.full, kind: 'teleport' } as unknown as typeof two.full;
    region.offer = { target: two, plans: [strange, two.full] };
    expect((await update()).result).toMatchObject({ outcome: 'updated', plan: 'full' });
  });
});

describe('a download', () => {
  it('goes on at the byte it had when the connection is cut', async () => {
    await install(one);
    region.offer = { target: two, plans: [two.full] };
    const [, layer] = (await manifestOf(two)).layers;
    if (layer === undefined) throw new Error('no layer');
    region.cuts.set(layer.digest, 700_000);
    const { result } = await update();
    expect(result).toMatchObject({ outcome: 'updated', resumedAt: 700_000 });
    expect(fetched(layer.digest)).toEqual([undefined, 'bytes=700000-']);
    const [, resumed] = region.blobRequests.filter((r) => r.digest === layer.digest);
    expect(resumed).toMatchObject({ status: 206, ifRange: `"${layer.digest}"` });
  });

  it('goes on at the byte it had after kill -9', async () => {
    region.offer = { target: one, plans: [one.full] };
    const [, layer] = (await manifestOf(one)).layers;
    if (layer === undefined) throw new Error('no layer');
    region.delayMs = 20;
    const base = ['update', '--json', '--data', data, '--server', region.url];
    const run = startAgent([...base, '--product', 'demo/app', '--platform', 'linux/amd64']);
    const part = join(data, 'fetch', `sha256-${digestHex(layer.digest)}.part`);
    while ((await sizeOf(part)) < 200_000) await new Promise((wake) => setTimeout(wake, 10));
    run.child.kill('SIGKILL');
    await run.done;
    const had = await sizeOf(part);
    region.delayMs = 0;
    const { result } = await update();
    expect(result).toMatchObject({ outcome: 'updated', resumedAt: had, bytes: one.full.size });
    expect(fetched(layer.digest)).toEqual([undefined, `bytes=${had}-`]);
  });

  it('starts anew when the server has another version of the blob', async () => {
    region.offer = { target: one, plans: [one.full] };
    const [, layer] = (await manifestOf(one)).layers;
    if (layer === undefined) throw new Error('no layer');
    const stem = join(data, 'fetch', `sha256-${digestHex(layer.digest)}`);
    region.eventsDown = false;
    await update('--stall-timeout', '5');
    await rm(join(data, 'current'));
    await rm(join(data, 'slots'), { recursive: true });
    await writeFile(`${stem}.part`, Buffer.alloc(1000, 7));
    await writeFile(`${stem}.etag`, '"an older version"');
    region.blobRequests.length = 0;
    const { result } = await update();
    expect(result).toMatchObject({ outcome: 'updated' });
    expect(result['resumedAt']).toBeUndefined();
    expect(region.blobRequests.find((r) => r.digest === layer.digest)).toMatchObject({
      range: 'bytes=1000-',
      ifRange: '"an older version"',
      status: 200,
    });
    expect(await wholeCurrent(data)).toBe(one.manifest.digest);
  });

  it('fetches anew what a power cut has torn', async () => {
    region.offer = { target: one, plans: [one.full] };
    const [, layer] = (await manifestOf(one)).layers;
    if (layer === undefined) throw new Error('no layer');
    await update();
    await rm(join(data, 'current'));
    await rm(join(data, 'slots'), { recursive: true });
    const stem = join(data, 'fetch', `sha256-${digestHex(layer.digest)}`);
    await writeFile(`${stem}.part`, Buffer.alloc(100_000));
    await writeFile(`${stem}.etag`, `"${layer.digest}"`);
    region.blobRequests.length = 0;
    expect((await update()).result).toMatchObject({ outcome: 'updated' });
    expect(fetched(layer.digest)).toEqual(['bytes=100000-', undefined]);
  });
});

async function sizeOf(path: string): Promise<number> {
  try {
    return (await readFile(path)).length;
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 0;
    throw error;
  }
}
