import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf } from '../../storage/digest.ts';
import { needTool } from '../clients/require.ts';
import { seededBytes } from '../server/seeded-bytes.ts';
import { needPostgres } from '../support/postgres.ts';
import { fetchBytes, imageOf, pushBlob, pushImage, type NodeImage } from './node-image.ts';
import { NodeWorld } from './node-world.ts';

/** Nodes killed under load; more on request, for a long run. */
const ROUNDS = Number(process.env['RIVULET_NODE_ROUNDS'] ?? '4');
const PUSHERS = 3;

const minioPath = needTool('minio');
const postgresBin = needPostgres();

interface Acknowledged {
  readonly repo: string;
  readonly image: NodeImage;
}

describe.skipIf(minioPath === undefined || postgresBin === undefined)(
  'origins over one bucket and one database',
  () => {
    let world: NodeWorld;

    beforeAll(async () => {
      world = await NodeWorld.start(minioPath ?? '', postgresBin ?? '', 3);
    });
    afterAll(() => world.stop());

    /** Rows that somebody has yet to work on. */
    async function openRows(): Promise<readonly unknown[]> {
      return world.postgres.run(
        world.url,
        `select 'delta' as what, state from deltas where state in ('pending', 'building', 'proving')
         union all select 'layer', state from layers where state in ('pending', 'chunking')`,
      );
    }

    async function untilBuilt(): Promise<void> {
      const endMs = performance.now() + 60_000;
      while ((await openRows()).length > 0 && performance.now() < endMs) await sleep(200);
      expect(await openRows()).toEqual([]);
    }

    /** Pairs that more than one builder brought to an end. */
    function builtTwice(): readonly string[] {
      const ended = world
        .endedDeltas()
        .filter(({ kind }) => kind === 'published' || kind === 'rejected')
        .map(({ repo, from = '', to }) => `${repo} ${from} ${to}`);
      return ended.filter((pair, index) => ended.indexOf(pair) !== index);
    }

    it('an upload begun on one goes on at another, and is committed on a third', async () => {
      const bytes = seededBytes('upload', 300_001);
      let turn = 0;
      const inTurn = () => world.node(turn++);
      await pushBlob(inTurn, 'edge/app', bytes);
      expect(turn).toBeGreaterThan(3);
      for (let n = 0; n < world.count; n += 1) {
        const url = `${world.node(n)}/v2/edge/app/blobs/${digestOf(bytes)}`;
        expect((await fetchBytes(url)).equals(bytes)).toBe(true);
      }
    });

    it('what one has taken the others serve at once, and what one deletes is gone from all', async () => {
      const image = imageOf('edge/at-once', 1);
      await pushImage(() => world.node(0), 'edge/at-once', 'stable', image, 0);
      const at = `${world.node(1)}/v2/edge/at-once`;
      expect((await fetchBytes(`${at}/manifests/stable`)).equals(image.manifest)).toBe(true);
      for (const blob of image.blobs) {
        expect((await fetchBytes(`${at}/blobs/${digestOf(blob)}`)).equals(blob)).toBe(true);
      }
      const gone = `/v2/edge/at-once/manifests/${image.digest}`;
      expect((await fetch(world.node(2) + gone, { method: 'DELETE' })).status).toBe(202);
      expect((await fetch(world.node(1) + gone)).status).toBe(404);
    });

    it('commands work from a folder in which nothing is', async () => {
      const made = await world.command(
        'token',
        'create',
        '--name',
        'ci',
        '--allow',
        'push:edge/**',
      );
      expect([made.stderr, made.code]).toEqual(['', 0]);
      expect((await world.command('token', 'list')).stdout).toContain('push:edge/**');
      const collected = await world.command('gc', '--dry-run');
      expect([collected.stderr, collected.code]).toEqual(['', 0]);
    });

    it('builds each delta once, though all of them have builders', async () => {
      for (const version of [1, 2, 3]) {
        for (const repo of ['edge/one', 'edge/two']) {
          const url = () => world.node(version);
          await pushImage(url, repo, 'stable', imageOf(repo, version), 0);
        }
      }
      const rows = () =>
        world.postgres.run(
          world.url,
          `select state, attempts, count(*) from deltas where state <> 'retired' group by 1, 2`,
        );
      const built = [{ state: 'published', attempts: '1', count: '4' }];
      // A node that plans by what it read before a push brings a pair back, until the next look at it.
      await expect.poll(rows, { timeout: 60_000, interval: 200 }).toEqual(built);
      await untilBuilt();
      expect(await rows()).toEqual(built);
      expect(builtTwice()).toEqual([]);
    });

    it(`${ROUNDS} of them killed under load: nothing acknowledged is lost, nothing is stuck or done twice`, async () => {
      const acknowledged: Acknowledged[] = [];
      let done = false;
      // One moves a tag, from which deltas come; the others push by digest.
      const push = async (repo: string, tag?: string): Promise<void> => {
        for (let version = 1; !done; version += 1) {
          const image = imageOf(repo, version);
          // Another for each request.
          await pushImage(() => world.anyNode(), repo, tag ?? image.digest, image);
          acknowledged.push({ repo, image });
        }
      };
      const load = Promise.all(
        Array.from({ length: PUSHERS }, (_, n) =>
          push(`edge/load-${n}`, n === 0 ? 'stable' : undefined),
        ),
      );
      for (let round = 0; round < ROUNDS; round += 1) {
        await sleep(200 + Math.random() * 800);
        await world.replace(Math.floor(Math.random() * world.count));
      }
      done = true;
      await load;
      expect(acknowledged.length).toBeGreaterThanOrEqual(PUSHERS);
      await untilBuilt();

      const fresh = await world.add();
      for (const { repo, image } of acknowledged) {
        const at = `${fresh}/v2/${repo}`;
        expect((await fetchBytes(`${at}/manifests/${image.digest}`)).equals(image.manifest)).toBe(
          true,
        );
        for (const blob of image.blobs) {
          expect((await fetchBytes(`${at}/blobs/${digestOf(blob)}`)).equals(blob)).toBe(true);
        }
      }
      const failed = await world.postgres.run(
        world.url,
        `select reason from deltas where state = 'failed'`,
      );
      expect(failed).toEqual([]);
      expect(builtTwice()).toEqual([]);
      const fsck = await world.command('fsck');
      expect(`${fsck.stdout}${fsck.stderr}`).toContain(': 0 faults');
      expect(fsck.code).toBe(0);
    }, 600_000);
  },
);
