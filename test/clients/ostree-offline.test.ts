import { execFileSync } from 'node:child_process';
import { generateKeyPairSync } from 'node:crypto';
import { existsSync, mkdirSync, readFileSync, statSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Checksum } from '../../delta/ostree/objects/checksum.ts';
import { signaturesOf } from '../../delta/ostree/commitmeta.ts';
import { parseDeltaFile } from '../../delta/ostree/offline/signed-delta.ts';
import { Ed25519Verifier } from '../../delta/ostree/sign/ed25519-verifier.ts';
import { parseSuperblock } from '../../delta/ostree/static-delta/parse-superblock.ts';
import { fillTree, RealRepo } from '../delta/ostree/real-repo.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { Pusher, REPO, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { noise } from '../storage/chunk/material.ts';
import { needTool } from './require.ts';
import { runRivulet, type CommandResult } from './rivulet.ts';
import { runTool } from './run-tool.ts';

const OSTREE = needTool('ostree');
const REF = 'os/x86_64/stable';
/** libostree from another place, as the benchmark takes it: Debian's 2022.7 can't sign. */
const CURRENT = process.env['RIVULET_OSTREE'];
const SIGNS =
  CURRENT !== undefined &&
  existsSync(CURRENT) &&
  execFileSync(CURRENT, ['--version'], { encoding: 'utf8' }).includes('sign-ed25519');
/** Every program that there is, by its path. */
const PROGRAMS = [...new Set(['ostree', ...(CURRENT === undefined ? [] : [CURRENT])])];

describe.skipIf(OSTREE === undefined)('rivulet export ostree', () => {
  let rig: OstreeRig;
  let source: RealRepo;
  let commits: readonly [Checksum, Checksum];
  let keyFile: string;
  let publicKey: string;
  let clients = 0;

  beforeAll(async () => {
    rig = await startOstreeRig();
    source = new RealRepo('archive');
    fillTree(source.tree);
    const commit = (n: number): Checksum => {
      const program = Buffer.from(noise(500_000, 'program'));
      noise(5000, `version ${n}`).copy(program, 100_000);
      writeFileSync(join(source.tree, 'usr/bin/program'), program);
      // What compression makes nothing of is left outside of a delta.
      writeFileSync(join(source.tree, 'usr/lib/blob'), noise(1_500_000, `blob ${n}`));
      return source.commit(REF, `--subject=${n}`);
    };
    const pusher = new Pusher(rig.url);
    const first = commit(1);
    await pusher.push(source.path, REF, null);
    const second = commit(2);
    await pusher.push(source.path, REF, first);
    commits = [first, second];
    await buildStaticDeltas(rig.origin.store);

    const { privateKey } = generateKeyPairSync('ed25519');
    const { d = '', x = '' } = privateKey.export({ format: 'jwk' });
    const [seed, half] = [Buffer.from(d, 'base64url'), Buffer.from(x, 'base64url')];
    publicKey = half.toString('base64');
    keyFile = join(rig.dir, 'key');
    writeFileSync(keyFile, Buffer.concat([seed, half]).toString('base64'));
  });
  afterAll(async () => {
    source.remove();
    await rig.close();
  });

  const path = (name: string) => join(rig.dir, name);

  function exportDelta(out: string, ...more: readonly string[]): Promise<CommandResult> {
    const server = ['--server', rig.origin.url];
    return runRivulet(['export', 'ostree', REPO, '--out', path(out), ...server, '--json', ...more]);
  }

  async function exported(out: string, ...more: readonly string[]): Promise<Buffer> {
    const { code, stdout, stderr } = await exportDelta(out, ...more);
    expect([code, stderr]).toEqual([0, '']);
    const bytes = readFileSync(path(out));
    expect(JSON.parse(stdout)).toMatchObject({ event: 'exported', bytes: bytes.length });
    return bytes;
  }

  /** A device without a network; it holds the first commit. */
  async function device(program: string) {
    clients += 1;
    const dir = path(`device-${clients}`);
    mkdirSync(dir);
    const run = (command: string, ...args: string[]) =>
      runTool(program, [...command.split(' '), '--repo=repo', ...args], { cwd: dir });
    await run('init', '--mode=bare-user');
    await run('config', 'set', 'core.fsync', 'false');
    await run('pull-local', source.path, commits[0]);
    return run;
  }

  it.each(PROGRAMS)('an update that %s applies without any network', async (program) => {
    const bytes = await exported('update.delta', '--from', commits[0], '--to', REF);
    const { parts, fallbacks } = parseSuperblock(bytes);
    expect(fallbacks).toEqual([]);
    expect(parts.every(({ inline }) => inline !== undefined)).toBe(true);
    // The large file that the published delta leaves out is in a part of its own.
    expect(parts.length).toBeGreaterThan(1);
    const run = await device(program);
    await run('static-delta apply-offline', path('update.delta'));
    expect(await run('show', commits[1])).toContain(`commit ${commits[1]}`);
    await run('refs', '--create', REF, commits[1]);
    await run('fsck');
    await run('checkout', '--user-mode', REF, 'out');
    const out = path(`device-${clients}/out`);
    await runTool('diff', ['-r', '--no-dereference', out, source.tree]);
  });

  it('a whole commit, from scratch, by its checksum', async () => {
    await exported('whole.delta', '--to', commits[1]);
    const dir = path('empty-device');
    mkdirSync(dir);
    const run = (...args: string[]) => runTool('ostree', args, { cwd: dir });
    await run('init', '--repo=repo', '--mode=archive');
    await run('static-delta', 'apply-offline', '--repo=repo', path('whole.delta'));
    await run('refs', '--repo=repo', '--create', REF, commits[1]);
    await run('fsck', '--repo=repo');
  });

  it('signed: the signature is of the superblock, and ours to check', async () => {
    const plain = await exported('plain.delta', '--from', commits[0], '--to', REF);
    const signed = await exported(
      'signed.delta',
      ...['--from', commits[0], '--to', REF, '--sign-key', keyFile],
    );
    expect(signed.subarray(0, 8).toString('latin1')).toBe('OSTSGNDT');
    const { superblock, signatures } = parseDeltaFile(signed);
    expect(superblock.equals(plain)).toBe(true);
    const verifier = Ed25519Verifier.fromKeyFile(publicKey);
    const found = signaturesOf(signatures, 'ostree.sign.ed25519');
    expect(await verifier.verify(superblock, found)).toEqual({ kind: 'valid', key: publicKey });
  });

  it.skipIf(!SIGNS)('signed, as a libostree with ed25519 checks it', async () => {
    await exported('signed.delta', '--from', commits[0], '--to', REF, '--sign-key', keyFile);
    const run = await device(CURRENT ?? '');
    const [keys, others] = [path('keys'), path('other-keys')];
    writeFileSync(keys, `${publicKey}\n`);
    writeFileSync(others, `${Buffer.alloc(32, 7).toString('base64')}\n`);
    const verified = await run('static-delta verify', `--keys-file=${keys}`, path('signed.delta'));
    expect(verified).toMatch(/OK/i);
    await expect(
      run('static-delta apply-offline', `--keys-file=${others}`, path('signed.delta')),
    ).rejects.toThrow(/signature/i);
    await run('static-delta apply-offline', `--keys-file=${keys}`, path('signed.delta'));
    await run('refs', '--create', REF, commits[1]);
    await run('fsck');
  });

  it('says what there is instead of what is not', async () => {
    const none = 'f'.repeat(64);
    const unknown = await exportDelta('no.delta', '--from', none, '--to', REF);
    expect(unknown.code).toBe(1);
    expect(unknown.stderr).toContain(`no delta from ${none}`);
    expect(unknown.stderr).toContain(commits[0]);
    const noCommit = await exportDelta('no.delta', '--to', none);
    expect(noCommit.stderr).toContain('none to that commit');
    const noRef = await exportDelta('no.delta', '--to', 'os/none');
    expect([noRef.code, noRef.stderr]).toEqual([1, expect.stringContaining('os/none')]);
    const notHex = await exportDelta('no.delta', '--to', REF, '--from', 'v1');
    expect([notHex.code, notHex.stderr]).toEqual([2, expect.stringContaining('64 digits')]);
    const noKey = await exportDelta('no.delta', '--to', REF, '--sign-key', path('nothing'));
    expect([noKey.code, noKey.stderr]).toEqual([1, expect.stringContaining('--sign-key')]);
    expect(existsSync(path('no.delta'))).toBe(false);
    expect(existsSync(path('no.delta.part'))).toBe(false);
    expect(statSync(path('update.delta')).size).toBeGreaterThan(1_500_000);
  });
});
