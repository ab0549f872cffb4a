import { mkdir, mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createReadStream } from 'node:fs';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { writeRelease, type WrittenImage } from '../../bench/demo/release.ts';
import { writeTar } from '../../bench/demo/tar-writer.ts';
import { openLayer } from '../../storage/chunk/layer-stream.ts';
import { DigestHasher } from '../../storage/digest.ts';
import { startCountingProxy } from '../faults/counting-proxy.ts';
import { makeHome } from './client-environment.ts';
import { mountsBelow } from './containerd.ts';
import { seededBytes } from './oci-image.ts';
import { needRootTool, needTool } from './require.ts';
import { runRivulet, startRivulet, type ServerProcess } from './rivulet.ts';
import { runTool } from './run-tool.ts';

const skopeo = needTool('skopeo');
const podman = needRootTool('podman');

const PLATFORM = { os: 'linux', architecture: 'amd64' };
const FORM = '.zstd-chunked';

/** One large program of which a run of bytes changes, one that stays, and many small files. */
function treeOf(version: number): Buffer {
  const program = Buffer.from(seededBytes('program', 1_500_000));
  seededBytes(`changed ${version}`, 20_000).copy(program, 700_000);
  const file = (path: string, bytes: Buffer) => ({ path, mode: 0o755, bytes });
  return writeTar([
    file('usr/bin/program', program),
    file('usr/bin/stays', seededBytes('stays', 900_000)),
    ...Array.from({ length: 150 }, (_, n) =>
      file(`usr/share/${n}`, seededBytes(`${n} ${n === 7 ? version : 0}`, 50 * n)),
    ),
  ]);
}

describe('zstd:chunked forms of pushed images', () => {
  let dir: string;
  let env: NodeJS.ProcessEnv;
  let origin: ServerProcess;
  let cache: ServerProcess;
  const images: WrittenImage[] = [];

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-forms-'));
    env = await makeHome(join(dir, 'home'));
    // No deltas, which would be built first.
    const settings = 'zstdChunked: ["demo/**"]\nmatrix: { releases: 0, liveMs: 0 }\n';
    await writeFile(join(dir, 'origin.yaml'), settings);
    const listen = ['--listen', '127.0.0.1:0'];
    const config = ['--config', join(dir, 'origin.yaml')];
    origin = await startRivulet(['serve', '--data', join(dir, 'origin'), ...listen, ...config]);
    const upstream = ['--upstream', origin.url, '--region', 'eu'];
    cache = await startRivulet(['cache', '--data', join(dir, 'cache'), ...listen, ...upstream]);
    for (const version of [1, 2]) {
      const tag = `v${version}`;
      const layers = [{ what: 'tree', tar: treeOf(version) }];
      images.push(...(await writeRelease(join(dir, 'in'), tag, [{ platform: PLATFORM, layers }])));
      const from = `oci:${join(dir, 'in')}:${tag}`;
      const { code, stderr } = await runRivulet([
        'push',
        from,
        `demo/app:${tag}`,
        '--server',
        origin.url,
      ]);
      expect(stderr + String(code)).toBe('0');
      await formOf(tag);
    }
  });
  afterAll(async () => {
    expect(await mountsBelow(dir)).toEqual([]);
    await cache.stop();
    await origin.stop();
    await rm(dir, { recursive: true, force: true });
  });

  const manifestUrl = (tag: string): string => `${origin.url}/v2/demo/app/manifests/${tag}`;

  /** The form's index, once a builder has made it. */
  async function formOf(tag: string): Promise<string> {
    for (;;) {
      const answer = await fetch(manifestUrl(tag + FORM));
      if (answer.status === 200) return answer.text();
      expect(answer.status).toBe(404);
      await sleep(100);
    }
  }

  it('leaves what was pushed as it was', async () => {
    const pushed = await (await fetch(manifestUrl('v1'))).text();
    expect(JSON.parse(pushed)).toMatchObject({
      manifests: [{ digest: images[0]?.manifest.digest }],
    });
    const { tags } = (await (await fetch(`${origin.url}/v2/demo/app/tags/list`)).json()) as {
      tags: string[];
    };
    expect(tags).toEqual(['v1', 'v2']);
  });

  it.skipIf(skopeo === undefined)(
    'skopeo copies them whole, with the diff_ids of the original',
    async () => {
      const from = `docker://${new URL(origin.url).host}/demo/app:v1${FORM}`;
      const args = [
        '--insecure-policy',
        'copy',
        '--all',
        '--preserve-digests',
        '--src-tls-verify=false',
      ];
      await runTool(skopeo ?? '', [...args, from, `oci:${join(dir, 'out')}:v1`], { env });
      const blobs = join(dir, 'out/blobs/sha256');
      const documents = new Map<string, { layers?: { digest: string }[] }>();
      for (const name of await readdir(blobs)) {
        const bytes = await readFile(join(blobs, name));
        if (bytes[0] === 0x7b) documents.set(name, JSON.parse(bytes.toString('utf8')) as object);
      }
      expect([...documents.keys()]).toContain(images[0]?.config.digest.slice('sha256:'.length));
      const layers = [...documents.values()].flatMap((document) => document.layers ?? []);
      const diffIds = [];
      for (const { digest } of layers) {
        const hasher = new DigestHasher();
        const source = createReadStream(join(blobs, digest.slice('sha256:'.length)));
        for await (const part of openLayer(source, { maxRawBytes: 1e8 })) hasher.update(part);
        diffIds.push(hasher.digest());
      }
      expect(diffIds).toEqual(images[0]?.layers.map(({ diffId }) => diffId));
    },
  );

  it('answers ranges of a layer that no file holds, and HEAD, as of any blob', async () => {
    const index = JSON.parse(await formOf('v2')) as { manifests: { digest: string }[] };
    const manifest = (await (
      await fetch(manifestUrl(index.manifests[0]?.digest ?? ''))
    ).json()) as {
      layers: { digest: string; size: number }[];
    };
    const [layer] = manifest.layers;
    const url = `${origin.url}/v2/demo/app/blobs/${layer?.digest ?? ''}`;
    const whole = Buffer.from(await (await fetch(url)).arrayBuffer());
    const hasher = new DigestHasher();
    hasher.update(whole);
    expect(hasher.digest()).toBe(layer?.digest);
    const head = await fetch(url, { method: 'HEAD' });
    expect(head.headers.get('content-length')).toBe(String(layer?.size));
    expect(head.headers.get('etag')).toBe(`"${layer?.digest ?? ''}"`);
    for (const [start, end] of [
      [0, 9],
      [5000, 900_000],
      [whole.length - 70, whole.length - 1],
    ] as const) {
      const part = await fetch(url, { headers: { range: `bytes=${start}-${end}` } });
      expect(part.status).toBe(206);
      const bytes = Buffer.from(await part.arrayBuffer());
      expect(bytes.equals(whole.subarray(start, end + 1))).toBe(true);
    }
    const elsewhere = await fetch(url.replace('demo/app', 'demo/other'));
    expect(elsewhere.status).toBe(404);
  });

  const pulls = podman === undefined ? it.skip : it;
  for (const tier of ['origin', 'cache'] as const) {
    pulls(`podman pulls only what changed from the ${tier}`, async () => {
      const proxy = await startCountingProxy(tier === 'origin' ? origin.url : cache.url);
      const image = (version: number) => `${new URL(proxy.url).host}/demo/app:v${version}${FORM}`;
      const pull = async (storage: string, version: number): Promise<number> => {
        const before = proxy.received();
        const args = ['--log-level=debug', 'pull', '-q', '--tls-verify=false', image(version)];
        const log = await podmanIn(storage, args);
        expect(log).toContain('Retrieved partial blob');
        return proxy.received() - before;
      };
      try {
        const storage = await storageOf(`${tier}-1`);
        const whole = await pull(storage, 1);
        const update = await pull(storage, 2);
        const alone = await pull(await storageOf(`${tier}-2`), 2);
        process.stdout.write(
          `podman from the ${tier}: version 1 ${whole} bytes on the wire, version 2 over it ${update}, alone ${alone}\n`,
        );
        expect(update).toBeLessThan(alone / 4);
        const root = (await podmanIn(storage, ['image', 'mount', image(2)]))
          .trim()
          .split('\n')
          .at(-1);
        const tar = treeOf(2);
        for (const path of ['usr/bin/program', 'usr/bin/stays', 'usr/share/7', 'usr/share/149']) {
          const bytes = await readFile(join(root ?? '', path));
          expect(tar.includes(bytes), path).toBe(true);
        }
        await podmanIn(storage, ['image', 'umount', image(2)]);
      } finally {
        await proxy.stop();
      }
    });
  }

  /** A storage of its own; returns its configuration's file. */
  async function storageOf(name: string): Promise<string> {
    const folder = join(dir, `storage-${name}`);
    await mkdir(folder);
    const lines = [
      '[storage]',
      'driver = "overlay"',
      `graphroot = "${join(folder, 'root')}"`,
      `runroot = "${join(folder, 'run')}"`,
      '[storage.options]',
      'pull_options = {enable_partial_images = "true"}',
      '',
    ];
    await writeFile(join(folder, 'storage.conf'), lines.join('\n'));
    return join(folder, 'storage.conf');
  }

  /** What podman says, its log included. */
  const podmanIn = (storage: string, args: readonly string[]): Promise<string> =>
    runTool(
      'sh',
      ['-c', 'exec "$@" 2>&1', 'sh', podman ?? '', '--tmpdir', join(dir, 'tmp'), ...args],
      { cwd: dir, env: { ...env, CONTAINERS_STORAGE_CONF: storage } },
    );
});
