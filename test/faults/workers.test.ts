import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { Random } from '../../bench/kills/random.ts';
import { digestOf } from '../../storage/digest.ts';
import { needTool } from '../clients/require.ts';
import { needPostgres } from '../support/postgres.ts';
import { fetchBytes } from './node-image.ts';
import { NodeWorld } from './node-world.ts';
import { VersionLoad } from './version-load.ts';
import { WorkerCrew } from './worker-crew.ts';

/** Workers killed at work; more on request, for a long run. */
const KILLS = Number(process.env['RIVULET_WORKER_KILLS'] ?? '10');
const SEED = Number(process.env['RIVULET_WORKER_SEED'] ?? '20261130');
const LONGEST_PAUSE_MS = 500;
/** For what the dead had claimed, too. */
const END_MS = 120_000;

const minioPath = needTool('minio');
const postgresBin = needPostgres();

describe.skipIf(minioPath === undefined || postgresBin === undefined)(
  'workers over one bucket and one database, beside origins that do not build',
  () => {
    let world: NodeWorld;
    let crew: WorkerCrew;

    beforeAll(async () => {
      world = await NodeWorld.start(minioPath ?? '', postgresBin ?? '', 2, {
        RIVULET_MATRIX_BUILDERS: '0',
        RIVULET_MATRIX_MAX_ATTEMPTS: '3',
      });
      crew = await WorkerCrew.start(world, 2);
    });
    afterAll(async () => {
      await crew.stop();
      await world.stop();
    });

    const ask = (statement: string) => world.postgres.run(world.url, statement);

    /** Every delta that is not retired, as `REPO FROM TO STATE`, ascending. */
    async function matrix(): Promise<readonly string[]> {
      const rows = await ask(
        `select repo, from_digest as base, to_digest as target, state from deltas
         union all select repo, from_checksum, to_checksum, state from ostree_deltas`,
      );
      return rows
        .filter(({ state }) => state !== 'retired')
        .map((row) => [row['repo'], row['base'], row['target'], row['state']].join(' '))
        .toSorted();
    }

    const openLayers = () =>
      ask(`select digest, state from layers where state in ('pending', 'chunking')`);

    /** Pairs that more than one worker brought to an end. */
    function builtTwice(): readonly string[] {
      const ended = crew
        .endedDeltas()
        .filter(({ kind }) => kind === 'published' || kind === 'rejected')
        .map(({ repo, from = '', to }) => `${repo} ${from} ${to}`);
      expect(ended.length).toBeGreaterThan(0);
      return ended.filter((pair, index) => ended.indexOf(pair) !== index);
    }

    /** Files of published deltas that an origin serves otherwise than by their digests, or not at all. */
    async function brokenDeltas(): Promise<readonly unknown[]> {
      const files = await ask(
        `select digest from deltas where state = 'published'
         union all select digest from ostree_delta_files join ostree_deltas on delta = id
           where state = 'published'`,
      );
      const broken: unknown[] = [];
      for (const { digest } of files) {
        const bytes = await fetchBytes(`${world.anyNode()}/v1/blobs/${String(digest)}`);
        if (digestOf(bytes) !== digest) broken.push(digest);
      }
      return broken;
    }

    it(`${KILLS} of them killed at work: each wanted delta is there once, nothing acknowledged is lost`, async () => {
      const random = new Random(SEED);
      const load = new VersionLoad(() => world.anyNode(), ['edge/one', 'edge/two']);
      let leftClaimed = 0;
      for (let kill = 0; kill < KILLS; kill += 1) {
        await sleep(random.below(LONGEST_PAUSE_MS));
        if (await crew.replaceOneAtWork(random)) leftClaimed += 1;
      }
      await load.stop();
      expect(leftClaimed).toBeGreaterThan(0);

      const patience = { timeout: END_MS, interval: 500 };
      const published = load.wanted().map((pair) => `${pair} published`);
      await expect.poll(matrix, patience).toEqual(published);
      await expect.poll(openLayers, patience).toEqual([]);
      expect(builtTwice()).toEqual([]);
      expect(await crew.stop()).toEqual([0, 0]);

      // What the dead left half done goes; what anything names does not.
      const collected = await world.command('gc', '--grace', '0');
      expect([collected.stderr, collected.code]).toEqual(['', 0]);
      expect(await brokenDeltas()).toEqual([]);
      expect(await load.lost()).toEqual([]);
      const fsck = await world.command('fsck');
      expect(`${fsck.stdout}${fsck.stderr}`).toContain(': 0 faults');
      expect(fsck.code).toBe(0);
    }, 900_000);
  },
);
