import { mkdirSync, writeFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { deltaIndexPath, deltaPath } from '../../delta/ostree/checksum-base64.ts';
import { formatCommitmeta, signaturesOf } from '../../delta/ostree/commitmeta.ts';
import { parseDeltaIndex } from '../../delta/ostree/delta-index.ts';
import type { Checksum } from '../../delta/ostree/objects/checksum.ts';
import { parseSuperblock } from '../../delta/ostree/static-delta/parse-superblock.ts';
import { digestOf } from '../../storage/digest.ts';
import { RealRepo } from '../delta/ostree/real-repo.ts';
import { GPG, GpgHome } from '../delta/ostree/sign/gpg-home.ts';
import { startLiveOrigin, type LiveOrigin } from '../server/live-servers.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher } from '../server/ostree/rig.ts';
import { noise } from '../storage/chunk/material.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const REF = 'os/stable';
const REPO = 'fleet/os';

describe.skipIf(OSTREE === undefined || GPG === undefined)('commits signed again', () => {
  let dir: string;
  let home: GpgHome;
  let [first, second, third] = ['', '', ''];
  let origin: LiveOrigin;
  let source: RealRepo;
  let commits: readonly [Checksum, Checksum];
  let clients = 0;

  /** An origin over the one store, that signs with these keys. */
  async function start(...keys: readonly string[]): Promise<void> {
    const sign = keys.map((keyId) => ({ kind: 'gpg', keyId, homedir: home.path }));
    origin = await startLiveOrigin(dir, { ostree: { repositories: { [REPO]: { sign } } } });
  }

  const pusher = () => new Pusher(`${origin.url}/ostree/${REPO}`);

  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-resign-'));
    home = new GpgHome();
    first = home.newKey('first@example.org');
    second = home.newKey('second@example.org');
    third = home.newKey('third@example.org');
    await start(first);
    source = new RealRepo('archive');
    const commit = async (n: number, expected: Checksum | null): Promise<Checksum> => {
      const program = Buffer.from(noise(200_000, 'program'));
      noise(1000, `version ${n}`).copy(program, 50_000);
      writeFileSync(join(source.tree, 'program'), program);
      const made = source.commit(REF, `--subject=${n}`);
      await pusher().push(source.path, REF, expected);
      return made;
    };
    const one = await commit(1, null);
    commits = [one, await commit(2, one)];
    await buildStaticDeltas(origin.store);
  });
  afterAll(async () => {
    source.remove();
    home.remove();
    await origin.close();
    await rm(dir, { recursive: true, force: true });
  });

  /** Holds the first commit, which came from elsewhere, and trusts one key only. */
  async function client(key: string, signedSummary: boolean) {
    clients += 1;
    const folder = join(dir, `client-${clients}`);
    mkdirSync(folder);
    const keyFile = join(folder, 'key.gpg');
    writeFileSync(keyFile, home.publicKeys(key));
    const run = (command: string, ...args: string[]) =>
      ostree(folder, command, '--repo=repo', ...args);
    await run('init', '--mode=bare-user');
    await run('config', 'set', 'core.fsync', 'false');
    const verify = `--set=gpg-verify-summary=${signedSummary}`;
    const url = `${origin.url}/ostree/${REPO}`;
    await run('remote', 'add', `--gpg-import=${keyFile}`, verify, 'o', url);
    await run('pull-local', '--remote=o', source.path, commits[0]);
    await run('refs', '--create', `o:${REF}`, commits[0]);
    return run;
  }

  /** Updates by delta and nothing else, as a client that trusts that key alone. */
  async function updates(key: string, signedSummary = true): Promise<void> {
    const run = await client(key, signedSummary);
    await run('pull', '--require-static-deltas', 'o', REF);
    expect((await run('rev-parse', `o:${REF}`)).trim()).toBe(commits[1]);
    expect(await run('show', '--gpg-verify-remote=o', `o:${REF}`)).toContain('Good signature');
    await run('fsck');
  }

  /** Signatures in the superblock, which the index has to name; and the index's own tag. */
  async function served(): Promise<{ readonly signatures: number; readonly etag: string | null }> {
    const [from, to] = commits;
    const url = `${origin.url}/ostree/${REPO}`;
    const path = deltaPath({ delta: { from, to }, file: 'superblock' });
    const superblock = Buffer.from(await (await fetch(`${url}/${path}`)).arrayBuffer());
    const index = await fetch(`${url}/${deltaIndexPath(to)}`);
    const listed = parseDeltaIndex(Buffer.from(await index.arrayBuffer()));
    expect(listed.map((one) => one.superblock)).toContain(digestOf(superblock));
    const { commitmeta = [] } = parseSuperblock(superblock);
    const signatures = signaturesOf(commitmeta, 'ostree.gpgsigs').length;
    return { signatures, etag: index.headers.get('etag') };
  }

  it('are taken by the key that signed them first, and by no other', async () => {
    await updates(first);
    const run = await client(second, false);
    await expect(run('pull', '--require-static-deltas', 'o', REF)).rejects.toThrow(
      /public key not found|Can't check signature|GPG/,
    );
    expect((await run('rev-parse', `o:${REF}`)).trim()).toBe(commits[0]);
  });

  it('by another key too once the settings name it and the ref is set again', async () => {
    const before = await served();
    await origin.close();
    await start(first, second);
    expect((await pusher().putRef(REF, commits[1], commits[1])).status).toBe(200);
    const after = await served();
    expect(after.signatures).toBe(before.signatures + 1);
    expect(after.etag).not.toBe(before.etag);
    await updates(second);
    await updates(first);
  });

  it('once by each key, however often the commit is pushed', async () => {
    const before = await served();
    await pusher().push(source.path, REF, 'any');
    expect(await served()).toEqual(before);
    // Also by way of another ref, where it is signed anew.
    expect((await pusher().putRef('os/testing', commits[1])).status).toBe(200);
    expect((await served()).signatures).toBe(before.signatures);
    await updates(first);
  });

  it('by a key that the server does not have, from who pushes the signature', async () => {
    const before = await served();
    const bytes = source.object({ kind: 'commit', checksum: commits[1] });
    const signature = home.sign(bytes, '--local-user', third, '--detach-sign');
    const meta = formatCommitmeta([['ostree.gpgsigs', { type: 'aay', value: [signature] }]]);
    expect((await pusher().send('PUT', `commitmeta/${commits[1]}`, meta)).status).toBe(204);
    const after = await served();
    expect(after.signatures).toBe(before.signatures + 1);
    expect(after.etag).not.toBe(before.etag);
    // Nobody with that key signs the summary.
    await updates(third, false);
    await updates(first);
  });

  it('object by object as well', async () => {
    for (const key of [first, second, third]) {
      const run = await client(key, key !== third);
      await run('pull', '--disable-static-deltas', 'o', REF);
      await run('fsck');
      expect((await run('rev-parse', `o:${REF}`)).trim()).toBe(commits[1]);
    }
  });
});
