import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf, type Digest } from '../../../storage/digest.ts';
import {
  Client,
  describeBlob,
  locationOf,
  OCI_INDEX,
  OCI_LAYER,
  OCI_MANIFEST,
  refusal,
  startRegistry,
  type RunningRegistry,
} from './rig.ts';

const DOCKER_MANIFEST = 'application/vnd.docker.distribution.manifest.v2+json';
const DOCKER_LIST = 'application/vnd.docker.distribution.manifest.list.v2+json';

function jsonBytes(value: unknown): Buffer {
  return Buffer.from(JSON.stringify(value, undefined, 3));
}

describe('manifests', () => {
  let registry: RunningRegistry;
  let client: Client;

  beforeAll(async () => {
    registry = await startRegistry('fs');
    client = new Client(registry.url, 'man/ifests');
  });
  afterAll(() => registry.close());

  async function expectStored(put: Response, bytes: Buffer, mediaType: string): Promise<void> {
    expect(put.status).toBe(201);
    const digest = digestOf(bytes);
    expect(put.headers.get('docker-content-digest')).toBe(digest);
    const got = await client.get(locationOf(put));
    expect(Buffer.from(await got.arrayBuffer()).equals(bytes)).toBe(true);
    expect(got.headers.get('content-type')).toBe(mediaType);
    expect(got.headers.get('content-length')).toBe(String(bytes.length));
    expect(got.headers.get('docker-content-digest')).toBe(digest);
  }

  it('keeps the very bytes, by tag and by digest', async () => {
    const bytes = jsonBytes(await client.makeImage('exact', { unknown: { field: [1, null] } }));
    await expectStored(await client.putManifest('exact', bytes), bytes, OCI_MANIFEST);
    await expectStored(await client.putManifest(digestOf(bytes), bytes), bytes, OCI_MANIFEST);
    const byTag = await client.get('manifests/exact');
    expect(Buffer.from(await byTag.arrayBuffer()).equals(bytes)).toBe(true);
    expect(byTag.headers.get('cache-control')).toBe('no-cache');
    const head = await client.send('HEAD', 'manifests/exact');
    for (const name of ['content-type', 'content-length', 'docker-content-digest', 'etag']) {
      expect(head.headers.get(name)).toBe(byTag.headers.get(name));
    }
    const cached = await client.get('manifests/exact', {
      'if-none-match': byTag.headers.get('etag') ?? '',
    });
    expect(cached.status).toBe(304);
  });

  it('tells of what was pushed, and of the layers to open', async () => {
    const image = jsonBytes(await client.makeImage('told'));
    await client.putManifest('told', image);
    expect(registry.told.at(-1)).toEqual(['man/ifests', digestOf(image), 'told']);
    const layer = digestOf(Buffer.from('layer of told'));
    expect(await registry.catalog.layers.get(layer)).toMatchObject({
      state: 'pending',
      mediaType: OCI_LAYER,
    });
    await client.putManifest(digestOf(image), image);
    expect(registry.told.at(-1)).toEqual(['man/ifests', digestOf(image), undefined]);
  });

  it('takes sha512, indexes of indexes, an empty index, an image without layers', async () => {
    const image = jsonBytes(await client.makeImage('nested'));
    const named = digestOf(image, 'sha512');
    expect((await client.putManifest(named, image)).status).toBe(201);
    const got = await client.get(`manifests/${named}`);
    expect(got.headers.get('docker-content-digest')).toBe(named);
    const child = describeBlob(OCI_MANIFEST, image, named);
    const inner = jsonBytes({ schemaVersion: 2, mediaType: OCI_INDEX, manifests: [child] });
    expect((await client.putManifest(digestOf(inner), inner, OCI_INDEX)).status).toBe(201);
    const outer = jsonBytes({
      schemaVersion: 2,
      manifests: [describeBlob(OCI_INDEX, inner), describeBlob(OCI_INDEX, inner)],
    });
    await expectStored(await client.putManifest('outer', outer, OCI_INDEX), outer, OCI_INDEX);
    const empty = jsonBytes({ schemaVersion: 2, manifests: [] });
    await expectStored(await client.putManifest('empty', empty, OCI_INDEX), empty, OCI_INDEX);
    const bare = jsonBytes({ ...(await client.makeImage('bare')), layers: [] });
    await expectStored(await client.putManifest('bare', bare), bare, OCI_MANIFEST);
  });

  it('takes Docker manifests and lists', async () => {
    const made = (await client.makeImage('docker')) as Record<string, unknown>;
    const image = jsonBytes({ ...made, mediaType: DOCKER_MANIFEST });
    await expectStored(
      await client.putManifest('docker', image, DOCKER_MANIFEST),
      image,
      DOCKER_MANIFEST,
    );
    const list = jsonBytes({
      schemaVersion: 2,
      mediaType: DOCKER_LIST,
      manifests: [
        {
          ...describeBlob(DOCKER_MANIFEST, image),
          platform: { os: 'linux', architecture: 'amd64' },
        },
      ],
    });
    await expectStored(await client.putManifest('list', list, DOCKER_LIST), list, DOCKER_LIST);
  });

  it('takes types that it does not know, as bytes', async () => {
    for (const bytes of [jsonBytes({ anything: true }), Buffer.from([0, 1, 2, 255])]) {
      const put = await client.putManifest('unknown', bytes, 'application/vnd.example.other');
      await expectStored(put, bytes, 'application/vnd.example.other');
    }
  });

  it('finds the type without Content-Type', async () => {
    const image = await client.makeImage('typeless');
    const without = { ...image, mediaType: undefined };
    for (const [document, type] of [
      [image, OCI_MANIFEST],
      [without, OCI_MANIFEST],
      [{ schemaVersion: 2, manifests: [] }, OCI_INDEX],
    ] as const) {
      const bytes = jsonBytes(document);
      const put = await client.send('PUT', 'manifests/typeless', bytes);
      await expectStored(put, bytes, type);
    }
    const parameters = await client.putManifest(
      'typeless',
      image,
      `${OCI_MANIFEST}; charset=utf-8`,
    );
    expect(parameters.status).toBe(201);
  });

  it('takes 3.9 MB and refuses more than 4 MiB readably', async () => {
    const image = await client.makeImage('large', { annotations: { pad: 'x'.repeat(3_900_000) } });
    const large = jsonBytes(image);
    await expectStored(await client.putManifest('large', large), large, OCI_MANIFEST);
    const tooLarge = jsonBytes({ ...image, more: 'y'.repeat(400_000) });
    expect(await refusal(await client.putManifest('large', tooLarge))).toBe('413 SIZE_INVALID');
    const huge = Buffer.alloc(20 * 1024 * 1024, 'z');
    expect(await refusal(await client.putManifest('large', huge))).toBe('413 SIZE_INVALID');
    const streamed = await fetch(`${registry.url}/v2/man/ifests/manifests/large`, {
      method: 'PUT',
      headers: { 'content-type': OCI_MANIFEST },
      body: new Blob([huge]).stream(),
      duplex: 'half',
    });
    expect(await refusal(streamed)).toBe('413 SIZE_INVALID');
  });

  it('wants a config to be there, and takes layers, images and subjects that are not', async () => {
    const image = (await client.makeImage('names')) as { layers: object[]; config: object };
    const absent = describeBlob(OCI_LAYER, 'absent');
    const foreign = {
      ...absent,
      mediaType: 'application/vnd.oci.image.layer.nondistributable.v1.tar',
    };
    const docker = {
      ...absent,
      mediaType: 'application/vnd.docker.image.rootfs.foreign.diff.tar.gzip',
    };
    const cases = [
      [{ ...image, layers: [...image.layers, absent] }, '201'],
      [{ ...image, config: absent }, '404 MANIFEST_BLOB_UNKNOWN'],
      [{ ...image, layers: [foreign, docker] }, '201'],
      [{ ...image, subject: describeBlob(OCI_MANIFEST, 'absent') }, '201'],
    ] as const;
    for (const [document, expected] of cases) {
      const response = await client.putManifest('names', document);
      expect(response.status === 201 ? '201' : await refusal(response)).toBe(expected);
    }
    const index = { schemaVersion: 2, manifests: [describeBlob(OCI_MANIFEST, 'absent')] };
    const taken = await client.putManifest('names', index, OCI_INDEX);
    expect(taken.status).toBe(201);
    expect(taken.headers.get('warning')).toMatch(/^299 - ".*sha256:[0-9a-f]{64}"$/);
    const whole = await client.putManifest('names', image);
    expect(whole.headers.get('warning')).toBeNull();
  });

  it('opens a layer that comes after its manifest, by push or by mount', async () => {
    const image = (await client.makeImage('late')) as { layers: object[] };
    for (const mount of [false, true]) {
      const bytes = Buffer.from(`late ${String(mount)}`);
      const late = describeBlob(OCI_LAYER, bytes);
      const put = await client.putManifest('late', { ...image, layers: [...image.layers, late] });
      expect(put.status).toBe(201);
      expect(await registry.catalog.layers.get(late.digest)).toBeUndefined();
      await new Client(registry.url, mount ? 'else/where' : client.base.slice(4)).pushBlob(bytes);
      if (mount) {
        expect(await registry.catalog.layers.get(late.digest)).toBeUndefined();
        const query = `mount=${late.digest}&from=else/where`;
        expect((await client.send('POST', `blobs/uploads/?${query}`)).status).toBe(201);
      }
      expect((await registry.catalog.layers.get(late.digest))?.state).toBe('pending');
    }
  });

  it('refuses a manifest over a blob whose bytes were lost: that is damage', async () => {
    const image = (await client.makeImage('lost')) as { layers: { digest: Digest }[] };
    await registry.store.blobs.delete(image.layers[0]?.digest ?? digestOf(Buffer.alloc(0)));
    const put = await client.putManifest('lost', image);
    expect(await refusal(put)).toBe('404 MANIFEST_BLOB_UNKNOWN');
  });

  it('says so when the collector is taking a blob, and takes the push once it has ended', async () => {
    const { gc } = registry.catalog;
    const layer = describeBlob(OCI_LAYER, 'a layer that nothing named');
    const bytes = jsonBytes(await client.makeImage('collected', { layers: [layer] }));
    const { digest } = layer;
    const cutoff = { unnamedBeforeMs: 0, retiredBeforeMs: 0, keptCommits: 1, liveSinceMs: 0 };
    const untilMs = Date.now() + 60_000;
    expect((await gc.condemn([digest], cutoff, untilMs)).size).toBe(1);
    const put = await client.putManifest('collected', bytes);
    expect(put.headers.get('retry-after')).toBe('5');
    expect([put.status, await put.json()]).toMatchObject([
      503,
      {
        errors: [
          {
            code: 'UNAVAILABLE',
            message: `garbage collection is removing ${digest}, which nothing named: push it again`,
          },
        ],
      },
    ]);
    await gc.settle([], [digest], untilMs, Date.now());
    expect((await client.putManifest('collected', bytes)).status).toBe(201);
  });

  it('takes a blob in an index, but no manifest that was pushed as a blob', async () => {
    const image = jsonBytes(await client.makeImage('as a blob'));
    await client.pushBlob(image);
    const index = (mediaType: string) => ({
      schemaVersion: 2,
      manifests: [describeBlob(mediaType, image)],
    });
    const asManifest = await client.putManifest('blobs', index(OCI_MANIFEST), OCI_INDEX);
    expect(await refusal(asManifest)).toBe('404 MANIFEST_BLOB_UNKNOWN');
    const asBlob = await client.putManifest('blobs', index('application/vnd.example'), OCI_INDEX);
    expect(asBlob.status).toBe(201);
  });

  it('refuses sizes that lie, of blobs and of manifests', async () => {
    const image = (await client.makeImage('lies')) as {
      layers: { size: number }[];
      config: { size: number };
    };
    const bytes = jsonBytes(image);
    await client.putManifest('lies', bytes);
    const lying = { ...describeBlob(OCI_MANIFEST, bytes), size: bytes.length + 1 };
    for (const [document, type] of [
      [{ ...image, config: { ...image.config, size: 1 } }, OCI_MANIFEST],
      [{ ...image, layers: [image.layers[0], { ...image.layers[0], size: 0 }] }, OCI_MANIFEST],
      [{ schemaVersion: 2, manifests: [lying] }, OCI_INDEX],
    ] as const) {
      expect(await refusal(await client.putManifest('lies', document, type))).toBe(
        '400 SIZE_INVALID',
      );
    }
  });

  it('refuses what is no manifest', async () => {
    const image = (await client.makeImage('bad')) as { config: object; layers: object[] };
    const bad: [object | Buffer | string, string][] = [
      ['', OCI_MANIFEST],
      ['{', OCI_MANIFEST],
      ['null', OCI_MANIFEST],
      ['[]', OCI_INDEX],
      ['['.repeat(100_000), OCI_MANIFEST],
      [Buffer.from([0x7b, 0xff, 0x7d]), OCI_MANIFEST],
      [{}, OCI_MANIFEST],
      [{ ...image, schemaVersion: 1 }, OCI_MANIFEST],
      [{ ...image, layers: null }, OCI_MANIFEST],
      [{ ...image, layers: [{}] }, OCI_MANIFEST],
      [{ ...image, config: { ...image.config, size: -1 } }, OCI_MANIFEST],
      [{ ...image, config: { ...image.config, size: 1.5 } }, OCI_MANIFEST],
      [{ ...image, config: { ...image.config, digest: 'sha256:bad' } }, OCI_MANIFEST],
      [{ ...image, annotations: { a: 1 } }, OCI_MANIFEST],
      [{ ...image, subject: 'sha256:bad' }, OCI_MANIFEST],
      [{ ...image, mediaType: OCI_INDEX }, OCI_MANIFEST],
      [{ ...image, mediaType: 7 }, OCI_MANIFEST],
      [{ ...image, mediaType: 'application/vnd.example' }, 'application/json'],
      [{ ...image, manifests: [] }, OCI_MANIFEST],
      [{ schemaVersion: 2, manifests: [], layers: [] }, OCI_INDEX],
      [{ schemaVersion: 2, manifests: {} }, OCI_INDEX],
      [{}, 'no media type'],
    ];
    for (const [body, type] of bad) {
      const response = await client.putManifest('bad', body, type);
      expect([body, await refusal(response)]).toEqual([body, '400 MANIFEST_INVALID']);
    }
    expect((await client.get('manifests/bad')).status).toBe(404);
  });

  it('refuses references that can not be', async () => {
    const image = await client.makeImage('references');
    const wrong = digestOf(Buffer.from('another'));
    expect(await refusal(await client.putManifest('sha256:bad', image))).toBe('400 DIGEST_INVALID');
    expect(await refusal(await client.putManifest(wrong, image))).toBe('400 DIGEST_INVALID');
    expect(await refusal(await client.putManifest('.bad', image))).toBe('400 MANIFEST_INVALID');
    expect(await refusal(await client.putManifest('x'.repeat(129), image))).toBe(
      '400 MANIFEST_INVALID',
    );
    for (const [reference, expected] of [
      ['sha256:bad', '400 DIGEST_INVALID'],
      ['.INVALID_MANIFEST_NAME', '404 MANIFEST_UNKNOWN'],
      ['absent', '404 MANIFEST_UNKNOWN'],
      [wrong, '404 MANIFEST_UNKNOWN'],
    ] as const) {
      expect(await refusal(await client.get(`manifests/${reference}`))).toBe(expected);
      const deleted = await client.send('DELETE', `manifests/${reference}`);
      expect(await refusal(deleted)).toBe(expected);
    }
  });

  it('pushes tags along with a digest', async () => {
    const image = jsonBytes(await client.makeImage('tag parameters'));
    const tags = Array.from({ length: 10 }, (_, i) => `v${i}`);
    const query = tags.map((tag) => `tag=${tag}`).join('&');
    const put = await client.putManifest(`${digestOf(image)}?${query}`, image);
    expect([put.status, put.headers.get('oci-tag')]).toEqual([201, tags.join(', ')]);
    for (const tag of tags) expect((await client.get(`manifests/${tag}`)).status).toBe(200);
    const bad = await client.putManifest(`${digestOf(image)}?tag=.bad`, image);
    expect(await refusal(bad)).toBe('400 MANIFEST_INVALID');
    const many = Array.from({ length: 101 }, (_, i) => `tag=m${i}`).join('&');
    const tooMany = await client.putManifest(`${digestOf(image)}?${many}`, image);
    expect(tooMany.status).toBe(414);
  });

  it('deletes a tag alone, and a manifest with its tags, visibly at once', async () => {
    const image = jsonBytes(await client.makeImage('deleted'));
    for (const tag of ['one', 'two', 'three']) await client.putManifest(tag, image);
    expect((await client.send('DELETE', 'manifests/one')).status).toBe(202);
    expect((await client.get('manifests/one')).status).toBe(404);
    expect((await client.get('manifests/two')).status).toBe(200);
    const digest = digestOf(image);
    expect((await client.send('DELETE', `manifests/${digest}`)).status).toBe(202);
    for (const reference of ['two', 'three', digest]) {
      expect((await client.send('HEAD', `manifests/${reference}`)).status).toBe(404);
    }
    const tags = (await (await client.get('tags/list')).json()) as { tags: string[] };
    expect(tags.tags).not.toContain('two');
    expect((await client.putManifest('two', image)).status).toBe(201);
    expect((await client.get(`manifests/${digest}`)).status).toBe(200);
  });

  it('keeps a push whose listener fails', async () => {
    const deaf = await startRegistry('memory', {
      onManifest: () => Promise.reject(new Error('the matrix is gone')),
    });
    const pusher = new Client(deaf.url, 'deaf');
    const put = await pusher.putManifest('v1', await pusher.makeImage());
    expect([put.status, (await pusher.get('manifests/v1')).status]).toEqual([201, 200]);
    await deaf.close();
  });

  it('moves a tag', async () => {
    const [first, second] = [await client.makeImage('move 1'), await client.makeImage('move 2')];
    await client.putManifest('moving', first);
    await client.putManifest('moving', second);
    expect(await (await client.get('manifests/moving')).json()).toEqual(second);
  });

  it('takes two pushes of one image at once', async () => {
    const image = jsonBytes(await client.makeImage('twice'));
    const puts = Array.from({ length: 8 }, () => client.putManifest('twice', image));
    for (const put of await Promise.all(puts)) expect(put.status).toBe(201);
  });
});
