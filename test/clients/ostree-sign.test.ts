import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { objectPath } from '../../delta/ostree/objects/object-name.ts';
import { RealRepo } from '../delta/ostree/real-repo.ts';
import { GPG, GpgHome } from '../delta/ostree/sign/gpg-home.ts';
import { ostree, Pusher, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const REF = 'os/signed';

describe.skipIf(OSTREE === undefined || GPG === undefined)('ostree with gpg-verify', () => {
  let rig: OstreeRig;
  let source: RealRepo;
  let home: GpgHome;
  let [ours, theirs] = ['', ''];
  let clients = 0;

  beforeAll(async () => {
    home = new GpgHome();
    ours = home.newKey('server@example.org');
    theirs = home.newKey('maker@example.org');
    rig = await startOstreeRig((dir) => {
      const keyring = join(dir, 'maker.gpg');
      writeFileSync(keyring, home.publicKeys(theirs));
      return {
        ostree: {
          repositories: {
            'fleet/*': { sign: [{ kind: 'gpg', keyId: ours, homedir: home.path }] },
            '*/strict': { requireSigned: [{ kind: 'gpg', keyring }] },
          },
        },
      };
    });
    source = new RealRepo('archive');
    writeFileSync(join(source.tree, 'file'), 'one');
    const first = source.commit(REF, '--subject=one');
    await new Pusher(rig.url).push(source.path, REF, null);
    writeFileSync(join(source.tree, 'file'), 'two');
    source.commit(REF, '--subject=two');
    await new Pusher(rig.url).push(source.path, REF, first);
  });
  afterAll(async () => {
    source.remove();
    home.remove();
    await rig.close();
  });

  async function client(url: string, key: string) {
    clients += 1;
    const dir = join(rig.dir, `client-${clients}`);
    mkdirSync(dir);
    const keyFile = join(dir, 'key.gpg');
    writeFileSync(keyFile, home.publicKeys(key));
    const run = (command: string, ...args: string[]) =>
      ostree(dir, command, '--repo=repo', ...args);
    await run('init', '--mode=archive');
    await run(
      'remote',
      'add',
      `--gpg-import=${keyFile}`,
      '--set=gpg-verify-summary=true',
      'o',
      url,
    );
    return run;
  }

  it('takes commits and summary by our signature', async () => {
    const run = await client(rig.url, ours);
    await run('pull', '--depth=-1', 'o', REF);
    expect(await run('show', `--gpg-verify-remote=o`, `o:${REF}`)).toContain('Good signature');
    await run('fsck');
  });

  it('refuses them by another key', async () => {
    const run = await client(rig.url, theirs);
    await expect(run('pull', 'o', REF)).rejects.toThrow(
      /public key not found|Can't check signature|GPG/,
    );
  });

  it('takes a commit that arrived signed, and the server asked for that', async () => {
    const url = `${rig.origin.url}/ostree/fleet/strict`;
    const pusher = new Pusher(url);
    await expect(pusher.push(source.path, REF, null)).rejects.toThrow('unsigned');
    const commit = source.commit(REF, `--gpg-sign=${theirs}`, `--gpg-homedir=${home.path}`);
    await expect(pusher.push(source.path, REF, null)).rejects.toThrow('unsigned');
    const path = `${objectPath({ kind: 'commit', checksum: commit })}meta`;
    const bytes = readFileSync(join(source.path, path));
    expect((await pusher.send('PUT', `commitmeta/${commit}`, bytes)).status).toBe(204);
    await pusher.push(source.path, REF, null);
    for (const key of [theirs, ours]) {
      const run = await client(url, key);
      // Only the server signs the summary.
      if (key === theirs)
        await run('config', 'set', '--group=remote "o"', 'gpg-verify-summary', 'false');
      await run('pull', 'o', REF);
      expect((await run('rev-parse', `o:${REF}`)).trim()).toBe(commit);
    }
  });
});
