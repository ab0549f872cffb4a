import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { startCache, type RunningCache } from '../../server/cache/cache-server.ts';
import { SUMMARY_HEADER } from '../../server/ostree/summary-header.ts';
import { digestOf } from '../../storage/digest.ts';
import { RealRepo } from '../delta/ostree/real-repo.ts';
import { GPG, GpgHome } from '../delta/ostree/sign/gpg-home.ts';
import { SwitchProxy } from '../server/cache/ostree/switch-proxy.ts';
import { configOf, QUICK, silent } from '../server/cache/tools.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher, REPO, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { noise } from '../storage/chunk/material.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const REF = 'os/signed';

describe.skipIf(OSTREE === undefined || GPG === undefined)(
  'ostree with gpg-verify through a cache',
  () => {
    let rig: OstreeRig;
    let source: RealRepo;
    let home: GpgHome;
    let key = '';
    let proxy: SwitchProxy;
    let cache: RunningCache;
    let clients = 0;

    async function release(name: string): Promise<string> {
      writeFileSync(join(source.tree, 'file'), noise(200_000, name));
      const commit = source.commit(REF, `--subject=${name}`);
      await new Pusher(rig.url).push(source.path, REF);
      await buildStaticDeltas(rig.origin.store);
      return commit;
    }

    beforeAll(async () => {
      home = new GpgHome();
      key = home.newKey('server@example.org');
      const sign = [{ kind: 'gpg', keyId: key, homedir: home.path }];
      rig = await startOstreeRig({ ostree: { repositories: { 'fleet/*': { sign } } } });
      source = new RealRepo('archive');
      proxy = new SwitchProxy(rig.origin.url);
      await proxy.up();
      const config = configOf(proxy.url, join(rig.dir, 'cache'), {});
      cache = await startCache(config, silent, { fillRetry: QUICK });
    });
    afterAll(async () => {
      await cache.close();
      await proxy.down();
      source.remove();
      home.remove();
      await rig.close();
    });

    /** A fresh repository that takes signed commits and summaries only. */
    async function client() {
      clients += 1;
      const dir = join(rig.dir, `client-${clients}`);
      mkdirSync(dir);
      const keyFile = join(dir, 'key.gpg');
      writeFileSync(keyFile, home.publicKeys(key));
      const run = (command: string, ...args: string[]) =>
        ostree(dir, command, '--repo=repo', ...args);
      await run('init', '--mode=bare-user');
      await run('config', 'set', 'core.fsync', 'false');
      const url = `${cache.url}/ostree/${REPO}`;
      const verify = [`--gpg-import=${keyFile}`, '--set=gpg-verify-summary=true'];
      await run('remote', 'add', ...verify, 'origin', url);
      return run;
    }

    it('takes summary, commit and deltas by their signatures, with and without the origin', async () => {
      const first = await release('one');
      const run = await client();
      await run('pull', 'origin', REF);
      expect((await run('rev-parse', `origin:${REF}`)).trim()).toBe(first);
      const summary = await (await fetch(`${rig.url}/summary`)).arrayBuffer();
      const { headers } = await fetch(`${rig.url}/summary.sig`);
      expect(headers.get(SUMMARY_HEADER)).toBe(digestOf(new Uint8Array(summary)));
      const second = await release('two');
      await run('pull', '--require-static-deltas', 'origin', REF);
      expect((await run('rev-parse', `origin:${REF}`)).trim()).toBe(second);
      expect(await run('show', '--gpg-verify-remote=origin', `origin:${REF}`)).toContain(
        'Good signature',
      );
      await (
        await client()
      )('pull', '--require-static-deltas', 'origin', REF);
      await proxy.down();
      const late = await client();
      await late('pull', '--require-static-deltas', 'origin', REF);
      expect((await late('rev-parse', `origin:${REF}`)).trim()).toBe(second);
      await late('fsck');
      await proxy.up();
      const third = await release('three');
      await late('pull', 'origin', REF);
      expect((await late('rev-parse', `origin:${REF}`)).trim()).toBe(third);
    });
  },
);
