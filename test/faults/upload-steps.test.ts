import { cp, mkdtemp, rename, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { createLogger } from '../../server/observe/logger.ts';
import { createRegistry } from '../../server/oci/registry.ts';
import { openStore, type OpenedStore } from '../../server/open-store.ts';
import { digestOf } from '../../storage/digest.ts';
import { checkStore } from '../../storage/fsck/check.ts';
import { parseUploadId, uploadPrefix } from '../../storage/keys.ts';
import { parseRepoName } from '../../storage/names.ts';
import { UploadService } from '../../storage/upload/service.ts';
import { serve } from '../server/http/rig.ts';
import {
  Client,
  describeBlob,
  locationOf,
  OCI_CONFIG,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
} from '../server/oci/rig.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { startRegistryProcess } from './registry-process.ts';

const NAME = 'app';
const REPO = parseRepoName(NAME);
const layer = seededBytes('layer', 40_000);
const config = Buffer.from('{"os":"linux"}');
const image = Buffer.from(
  JSON.stringify({
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describeBlob(OCI_CONFIG, config),
    layers: [describeBlob(OCI_LAYER, layer)],
  }),
);
const index = Buffer.from(
  JSON.stringify({ schemaVersion: 2, manifests: [describeBlob(OCI_MANIFEST, image)] }),
);
/** More steps than any scenario has: a scenario that never ends is a fault of this test. */
const MAX_STEPS = 200;

/** What the client knows of its upload when the server dies. */
interface Known {
  location?: string;
}

/** Sends the layer from byte `start` on, in two pieces, the last one with PUT. */
async function sendLayer(client: Client, location: string, start: number): Promise<void> {
  const middle = Math.max(start, 15_000);
  const put = (path: string, method: string, from: number, to: number) =>
    client.send(method, path, layer.subarray(from, to), {
      'content-range': `${from}-${to - 1}`,
    });
  if (start < middle) expect((await put(location, 'PATCH', start, middle)).status).toBe(202);
  const end = `${location}?digest=${digestOf(layer)}`;
  const last =
    middle < layer.length
      ? await put(end, 'PUT', middle, layer.length)
      : await client.send('PUT', end);
  expect(last.status).toBe(201);
}

/** A push as clients make it: a layer in chunks, a config at once, an image, an index with a tag. */
async function push(client: Client, known: Known): Promise<void> {
  known.location = await client.startUpload();
  await sendLayer(client, known.location, 0);
  await pushRest(client);
}

async function pushRest(client: Client): Promise<void> {
  await client.pushBlob(config);
  expect((await client.putManifest(digestOf(image), image)).status).toBe(201);
  expect((await client.putManifest('v1', index, OCI_INDEX)).status).toBe(201);
}

/** Every blob and manifest is whole or not there; what a manifest names is there with it. */
async function expectNothingHalf(client: Client): Promise<void> {
  const seen = new Map<string, boolean>();
  for (const [path, bytes] of [
    [`blobs/${digestOf(layer)}`, layer],
    [`blobs/${digestOf(config)}`, config],
    [`manifests/${digestOf(image)}`, image],
    ['manifests/v1', index],
  ] as const) {
    const answer = await client.get(path);
    const body = Buffer.from(await answer.arrayBuffer());
    if (answer.status !== 404) {
      expect(answer.status).toBe(200);
      expect(body.equals(bytes)).toBe(true);
    }
    seen.set(path, answer.status === 200);
  }
  const [hasLayer, hasConfig, hasImage, hasTag] = [...seen.values()];
  if (hasImage === true) expect([hasLayer, hasConfig]).toEqual([true, true]);
  if (hasTag === true) expect(hasImage).toBe(true);
}

/** Goes on where the session stands, or pushes anew where it is gone. */
async function resume(client: Client, { location }: Known): Promise<void> {
  const status = location === undefined ? undefined : await client.get(location);
  if (location === undefined || status?.status !== 204) {
    await push(client, {});
    return;
  }
  const range = status.headers.get('range') ?? '';
  const size = Number(range.slice(2)) + 1;
  await sendLayer(client, locationOf(status), size === 1 ? 0 : size);
  await pushRest(client);
}

describe('a registry killed between two writes', () => {
  let data = '';
  beforeEach(async () => {
    data = await mkdtemp(join(tmpdir(), 'rivulet-steps-'));
  });
  afterEach(() => rm(data, { recursive: true, force: true }));

  const location = () => ({ data, store: { kind: 'fs' as const } });

  /** The same store in this process, with nothing that kills it. */
  async function restarted<T>(
    work: (client: Client, store: OpenedStore, uploads: UploadService) => Promise<T>,
  ): Promise<T> {
    const store = await openStore(location());
    const { blobs, catalog } = store;
    const clock = Date.now;
    const uploads = new UploadService({ objects: blobs.objects, catalog, clock });
    const logger = createLogger('silent');
    const server = await serve({
      routes: [createRegistry({ blobs, catalog, uploads, clock, logger })],
    });
    try {
      return await work(new Client(server.url, NAME), store, uploads);
    } finally {
      await server.close();
      await store.close();
    }
  }

  async function expectClean({ blobs, catalog }: OpenedStore): Promise<void> {
    const report = await checkStore({ objects: blobs.objects, catalog, quick: false });
    expect({ faults: report.faults, absent: report.absent }).toEqual({ faults: [], absent: [] });
  }

  /** True if the process died while it worked; false once no step is left. */
  async function killedAt(killAt: number, work: (client: Client) => Promise<void>) {
    const child = await startRegistryProcess({ ...location(), killAt });
    const outcome = await work(new Client(child.url, NAME)).then(
      () => 'done',
      (error: unknown) => error,
    );
    const isDead = await Promise.race([
      child.exited.then(() => true),
      new Promise<false>((resolve) => setTimeout(resolve, outcome === 'done' ? 50 : 5000, false)),
    ]);
    await child.kill();
    if (!isDead && outcome !== 'done') throw outcome as Error;
    return isDead;
  }

  it('at every step of a push: nothing half, fsck clean, the push goes on', async () => {
    let killAt = 1;
    for (; killAt < MAX_STEPS; killAt += 1) {
      const known: Known = {};
      const died = await killedAt(killAt, (client) => push(client, known));
      await restarted(async (client, store, uploads) => {
        await expectNothingHalf(client);
        await expectClean(store);
        if (!died) return;
        await resume(client, known);
        await expectNothingHalf(client);
        expect((await client.get('manifests/v1')).status).toBe(200);
        await expectClean(store);
        // Stale sessions go with all their parts, those that no row names included.
        await uploads.sweep(-1000);
        for await (const { key } of store.blobs.objects.list('uploads/')) expect(key).toBe('');
      });
      if (!died) break;
      await rm(data, { recursive: true, force: true });
    }
    process.stdout.write(`a push was killed at ${killAt - 1} steps\n`);
    expect(killAt).toBeGreaterThan(30);
    expect(killAt).toBeLessThan(MAX_STEPS);
  }, 600_000);

  it('at every step of merging small chunks', async () => {
    const chunk = 100;
    const path = await restarted(async (_client, _store, uploads) => {
      const { id } = await uploads.start(REPO);
      for (let i = 0; i < 63; i += 1) {
        await uploads.append(REPO, id, [layer.subarray(i * chunk, (i + 1) * chunk)]);
      }
      return `/v2/${NAME}/blobs/uploads/${id}`;
    });
    const seed = `${data}-seed`;
    onTestFinished(() => rm(seed, { recursive: true, force: true }));
    await rename(data, seed);
    let killAt = 1;
    for (; killAt < MAX_STEPS; killAt += 1) {
      await cp(seed, data, { recursive: true });
      const died = await killedAt(killAt, async (client) => {
        const patch = await client.send('PATCH', path, layer.subarray(6300, 6400));
        expect(patch.status).toBe(202);
      });
      await restarted(async (client, store, uploads) => {
        const range = (await client.get(path)).headers.get('range') ?? '';
        expect(['0-6299', '0-6399']).toContain(range);
        const size = Number(range.slice(2)) + 1;
        const put = await client.send(
          'PUT',
          `${path}?digest=${digestOf(layer)}`,
          layer.subarray(size),
        );
        expect(put.status).toBe(201);
        const blob = await client.get(`blobs/${digestOf(layer)}`);
        expect(Buffer.from(await blob.arrayBuffer()).equals(layer)).toBe(true);
        await expectClean(store);
        const id = parseUploadId(path.slice(-32));
        for await (const { key } of store.blobs.objects.list(uploadPrefix(id)))
          expect(key).toBe('');
        await uploads.sweep(-1000);
      });
      if (!died) break;
      await rm(data, { recursive: true, force: true });
    }
    process.stdout.write(`a merge was killed at ${killAt - 1} steps\n`);
    expect(killAt).toBeGreaterThan(8);
    expect(killAt).toBeLessThan(MAX_STEPS);
  }, 600_000);
});
