import { mkdirSync, readdirSync, statSync } from 'node:fs';
import { open } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest';

import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { startCountingProxy } from '../faults/counting-proxy.ts';
import { PROGRAM_BYTES, ReleaseRepo } from '../server/cache/ostree/release-repo.ts';
import { SwitchProxy } from '../server/cache/ostree/switch-proxy.ts';
import { configOf, MIB, QUICK, silent } from '../server/cache/tools.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher, REPO, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { printVersion } from './client-rig.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const REF = 'os/x86_64/stable';
/** What a pull costs the origin that brings nothing new: files that change are asked for again. */
const TALK_BYTES = 12_000;

/** The shield makes old clients wait: several pulls in a row take a while. */
const TIMEOUT_MS = 180_000;

describe.skipIf(OSTREE === undefined)(
  'ostree pulls through a cache',
  { timeout: TIMEOUT_MS },
  () => {
    let rig: OstreeRig;
    let source: ReleaseRepo;
    let proxy: SwitchProxy;
    let cache: RunningCache;
    let folder = '';
    let count = 0;
    let version = '';

    async function release(): Promise<void> {
      source.release();
      await new Pusher(rig.url).push(source.path, REF);
      await buildStaticDeltas(rig.origin.store);
    }

    const commit = (number: number): string => source.commits[number - 1] ?? '';

    async function openCache(): Promise<void> {
      cache = await startCache(configOf(proxy.url, folder, {}), silent, { fillRetry: QUICK });
    }

    beforeAll(async () => {
      rig = await startOstreeRig();
      const printed = await ostree(rig.dir, '--version');
      printVersion('ostree', printed);
      version = /\d{4}\.\d+/.exec(printed)?.[0] ?? '';
      source = new ReleaseRepo(REF);
      await release();
      await release();
    }, 180_000);
    afterAll(async () => {
      source.remove();
      await rig.close();
    });
    beforeEach(async () => {
      proxy = new SwitchProxy(rig.origin.url);
      await proxy.up();
      count += 1;
      folder = join(rig.dir, `cache-${count}`);
      await openCache();
    });
    afterEach(async () => {
      await cache.close();
      await proxy.down();
    });

    /**
     * A fresh repository whose remote is the cache. Each client says who it is: the shield takes those that
     * look the same for one, and makes one wait for what another did.
     */
    async function client(url = cache.url) {
      count += 1;
      const dir = join(rig.dir, `client-${count}`);
      mkdirSync(dir);
      const agent = `--http-header=User-Agent=libostree/${version} client-${count}`;
      const run = (command: string, ...args: string[]) =>
        ostree(dir, command, '--repo=repo', ...(command === 'pull' ? [agent] : []), ...args);
      await run('init', '--mode=bare-user');
      await run('config', 'set', 'core.fsync', 'false');
      await run('remote', 'add', '--no-gpg-verify', 'origin', `${url}/ostree/${REPO}`);
      return run;
    }

    type Run = Awaited<ReturnType<typeof client>>;

    async function expectRelease(run: Run, number: number): Promise<void> {
      expect((await run('rev-parse', `origin:${REF}`)).trim()).toBe(commit(number));
      await run('fsck');
    }

    async function pullLoose(number: number, run?: Run): Promise<Run> {
      const into = run ?? (await client());
      await into('pull', '--disable-static-deltas', 'origin', `${REF}@${commit(number)}`);
      await expectRelease(into, number);
      return into;
    }

    async function pullByDelta(number: number, run?: Run): Promise<Run> {
      const into = run ?? (await client());
      await into('pull', '--require-static-deltas', 'origin', REF);
      await expectRelease(into, number);
      return into;
    }

    /** Bytes of the delta from the release before, superblock included. */
    async function deltaBytes(number: number): Promise<number> {
      const rows = await rig.origin.store.catalog.ostreeDeltas.list({ limit: 99 });
      const found = rows.find(({ from, to }) => from !== undefined && to === commit(number));
      return (found?.result?.superblockBytes ?? NaN) + (found?.result?.partBytes ?? NaN);
    }

    it('whole, and the second client costs the origin next to nothing', async () => {
      await pullLoose(2);
      expect(proxy.taken()).toBeGreaterThan(PROGRAM_BYTES);
      await pullLoose(2);
      expect(proxy.taken()).toBeLessThan(TALK_BYTES);
    });

    it('two at once, for the bytes of one', async () => {
      await Promise.all([pullLoose(2), pullLoose(2)]);
      expect(proxy.taken()).toBeLessThan(PROGRAM_BYTES * 1.5);
      const clients = [await pullLoose(1), await pullLoose(1)];
      proxy.taken();
      await Promise.all(clients.map((run) => pullByDelta(2, run)));
      const bytes = proxy.taken();
      expect(bytes).toBeGreaterThan(await deltaBytes(2));
      expect(bytes).toBeLessThan((await deltaBytes(2)) + 2 * TALK_BYTES);
    });

    it('by deltas, from scratch and from the release before', async () => {
      const first = await pullLoose(1);
      proxy.taken();
      await pullByDelta(2, first);
      expect(proxy.taken()).toBeGreaterThan(await deltaBytes(2));
      await pullByDelta(2, await pullLoose(1));
      expect(proxy.taken()).toBeLessThan(TALK_BYTES);
      await pullByDelta(2);
      proxy.taken();
      await pullByDelta(2);
      expect(proxy.taken()).toBeLessThan(TALK_BYTES);
    });

    it('an update by delta brings an old client nothing beside it', async () => {
      const counting = await startCountingProxy(cache.url);
      const run = await pullLoose(1, await client(counting.url));
      const before = counting.received();
      await pullByDelta(2, run);
      const bytes = counting.received() - before;
      await counting.stop();
      console.info(`an update by delta through a cache: ${bytes} bytes on the wire`);
      expect(bytes).toBeLessThan((await deltaBytes(2)) + TALK_BYTES);
    });

    it('as a mirror, with history, a folder alone, or metadata alone', async () => {
      const mirror = await client();
      await mirror('pull', '--mirror', '--depth=-1', 'origin');
      expect(await mirror('refs')).toBe(`${REF}\n`);
      expect(await mirror('log', REF)).toContain(commit(1));
      await mirror('fsck');
      const deep = await client();
      await deep('pull', '--depth=-1', '--disable-static-deltas', 'origin', REF);
      expect(await deep('log', `origin:${REF}`)).toContain(commit(1));
      await deep('fsck');
      const part = await client();
      await part('pull', '--subpath=/usr', '--disable-static-deltas', 'origin', REF);
      expect(await part('ls', `origin:${REF}`, '/usr')).toContain('/usr/bin');
      await expect(part('ls', '-R', `origin:${REF}`, '/many')).rejects.toThrow();
      const meta = await client();
      await meta('pull', '--commit-metadata-only', 'origin', REF);
      expect(await meta('show', `origin:${REF}`)).toContain('release 2');
      await expect(meta('pull', 'origin', 'os/none')).rejects.toThrow(
        /No such branch|not found|404/,
      );
    });

    it('without the origin: all that others have pulled, also after a restart', async () => {
      await pullByDelta(2, await pullLoose(1));
      await pullByDelta(2);
      await (
        await client()
      )('remote', 'summary', 'origin');
      await proxy.down();
      await pullByDelta(2, await pullLoose(1));
      await cache.close();
      await openCache();
      await pullByDelta(2);
      const mirror = await client();
      await mirror('pull', '--mirror', 'origin', REF);
      await mirror('fsck');

      const base = `${cache.url}/ostree/${REPO}`;
      const summary = await fetch(`${base}/summary`);
      expect(summary.status).toBe(200);
      expect(Number(summary.headers.get('age'))).toBeGreaterThanOrEqual(0);
      expect(summary.headers.get('rivulet-age')).toBe(summary.headers.get('age'));
      for (const path of ['refs/heads/os/other', `objects/ab/${'c'.repeat(62)}.filez`]) {
        const answer = await fetch(`${base}/${path}`);
        expect([path, answer.status]).toEqual([path, 503]);
        expect(answer.headers.get('retry-after')).not.toBeNull();
      }
      expect((await fetch(`${base}/summary.sig`)).status).toBe(404);
    });

    it('what is new at the origin, at once, however long that was gone', async () => {
      const run = await pullByDelta(2);
      await proxy.down();
      await pullByDelta(2, run);
      await release();
      await proxy.up();
      await pullByDelta(3, run);
    });

    it('over connections that break in the middle of a part', async () => {
      // Of the newest release and the one before.
      const run = await pullLoose(source.commits.length - 1);
      proxy.taken();
      proxy.cutAfter(1_100_000, 2);
      await pullByDelta(source.commits.length, run);
      expect(proxy.taken()).toBeLessThan((await deltaBytes(source.commits.length)) + 2 * MIB);
    });

    it('what the disk has spoilt is fetched again', async () => {
      await pullLoose(2);
      await cache.close();
      const blobs = join(folder, 'blobs');
      const [largest = ''] = readdirSync(blobs)
        .filter((name) => name.endsWith('.data'))
        .map((name) => join(blobs, name))
        .toSorted((a, b) => statSync(b).size - statSync(a).size);
      const file = await open(largest, 'r+');
      await file.write('spoilt', MIB + 7);
      await file.close();
      await openCache();
      proxy.taken();
      await pullLoose(2);
      const again = proxy.taken();
      expect(again).toBeGreaterThan(MIB);
      expect(again).toBeLessThan(MIB + TALK_BYTES);
    });
  },
);
