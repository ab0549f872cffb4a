import { mkdir, readdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { Pair } from '../server/tls/authority.ts';
import { makeHome } from './client-environment.ts';
import { startContainerd } from './containerd.ts';
import { writeSmallRelease } from './oci-image.ts';
import { needRootTool, needTool } from './require.ts';
import { startTlsRig, type TlsRig } from './tls-rig.ts';

const openssl = needTool('openssl');
const skopeo = needTool('skopeo');
const podman = needTool('podman');
const oras = needTool('oras');
const crane = needTool('crane');
const helm = needTool('helm');
const containerd = needRootTool('containerd');
const ctr = needTool('ctr');

const REFUSED = /\b40[13]\b|unauthorized|denied|forbidden|authentication required|no basic auth/i;
const UNTRUSTED = /x509|certificate signed by unknown authority/i;

/**
 * A workload may push below team/, the certificate `reader` may read there, anybody may read what is
 * below public/.
 */
describe.skipIf(openssl === undefined)('clients over TLS, by certificates', () => {
  let rig: TlsRig;
  let host: string;
  let ca: string;
  let layout: string;
  let workload: Pair;
  let reader: Pair;
  /** Signed by the same authority, named in no rule. */
  let stranger: Pair;
  /** Folders for skopeo and podman: the authority alone, and with a client. */
  let certDirs: Record<'nobody' | 'workload' | 'reader' | 'stranger', string>;

  beforeAll(async () => {
    rig = await startTlsRig('tls-clients', {
      asksClients: true,
      access: {
        anonymous: ['pull:public/**'],
        'uri:spiffe://fleet.example/ci/*': ['push:team/**'],
        'cn:reader': ['pull:team/**'],
      },
    });
    ({ host } = rig);
    const { authority } = rig;
    ca = authority.certFile;
    workload = authority.leaf('workload', { san: 'URI:spiffe://fleet.example/ci/build' });
    reader = authority.leaf('reader');
    stranger = authority.leaf('stranger');
    certDirs = {
      nobody: await rig.certDir('nobody'),
      workload: await rig.certDir('workload', workload),
      reader: await rig.certDir('reader', reader),
      stranger: await rig.certDir('stranger', stranger),
    };
    layout = join(rig.dir, 'in');
    await writeSmallRelease(layout, 'v1', 1);
    for (const repo of ['public/app', 'team/app']) await rig.push(layout, repo, 'v1');
  });
  afterAll(() => rig.close());

  const blobsOf = async (name: string) =>
    (await readdir(join(rig.dir, name, 'blobs/sha256'))).sort();

  it.skipIf(skopeo === undefined)('skopeo', async () => {
    const copy = (...args: string[]) =>
      rig.run(skopeo ?? '', ['--insecure-policy', 'copy', '--all', ...args]);
    const push = (repo: string, certDir: string) =>
      copy('--dest-cert-dir', certDir, `oci:${layout}:v1`, `docker://${host}/${repo}:v1`);
    const pull = (repo: string, certDir: string, to: string) =>
      copy(
        ...['--src-cert-dir', certDir, `docker://${host}/${repo}:v1`],
        `oci:${join(rig.dir, to)}:v1`,
      );

    const untrusted = copy(`docker://${host}/public/app:v1`, `oci:${join(rig.dir, 'no')}:v1`);
    await expect(untrusted).rejects.toThrow(UNTRUSTED);
    await pull('public/app', certDirs.nobody, 'open');
    await expect(pull('team/app', certDirs.nobody, 'closed')).rejects.toThrow(REFUSED);
    await expect(push('team/skopeo', certDirs.nobody)).rejects.toThrow(REFUSED);

    await push('team/skopeo', certDirs.workload);
    await expect(push('public/skopeo', certDirs.workload)).rejects.toThrow(REFUSED);
    for (const who of ['workload', 'reader'] as const) {
      await pull('team/skopeo', certDirs[who], `back-${who}`);
      expect(await blobsOf(`back-${who}`)).toEqual(await blobsOf('in'));
    }
    await expect(push('team/other', certDirs.reader)).rejects.toThrow(REFUSED);
    await expect(pull('team/skopeo', certDirs.stranger, 'strange')).rejects.toThrow(REFUSED);
    // Known by its certificate, it still has what everyone has.
    await pull('public/app', certDirs.stranger, 'open-to-all');
    // It moves what it may read to where it may write, by a mount.
    await copy(
      ...['--src-cert-dir', certDirs.workload, '--dest-cert-dir', certDirs.workload],
      ...[`docker://${host}/public/app:v1`, `docker://${host}/team/mounted:v1`],
    );
  });

  it.skipIf(podman === undefined)('podman', async () => {
    const run = (...args: string[]) =>
      rig.run(podman ?? '', [
        ...['--storage-driver', 'vfs', '--root', join(rig.dir, 'root')],
        ...['--runroot', join(rig.dir, 'run'), '--tmpdir', join(rig.dir, 'tmp')],
        ...args,
      ]);
    const pull = async (repo: string, certDir: string) =>
      (await run('pull', '-q', '--cert-dir', certDir, `${host}/${repo}:v1`)).trim();

    await expect(run('pull', '-q', `${host}/public/app:v1`)).rejects.toThrow(UNTRUSTED);
    await expect(pull('team/app', certDirs.nobody)).rejects.toThrow(REFUSED);
    const image = await pull('team/app', certDirs.reader);
    expect(await pull('public/app', certDirs.nobody)).toBe(image);
    const push = (certDir: string) =>
      run('push', '-q', '--cert-dir', certDir, image, `${host}/team/podman:v1`);
    await expect(push(certDirs.reader)).rejects.toThrow(REFUSED);
    await push(certDirs.workload);
    expect(await pull('team/podman', certDirs.workload)).toBe(image);
  });

  it.skipIf(oras === undefined)('oras', async () => {
    const trust = ['--ca-file', ca];
    const shown = (pair: Pair) => [
      ...trust,
      ...['--cert-file', pair.certFile, '--key-file', pair.keyFile],
    ];
    const run = (...args: string[]) => rig.run(oras ?? '', args);
    const notes = `${host}/team/notes:v1`;
    await writeFile(join(rig.dir, 'note.txt'), 'note');
    const push = (flags: string[]) => run('push', ...flags, notes, 'note.txt:text/plain');

    await expect(push([])).rejects.toThrow(UNTRUSTED);
    await expect(push(trust)).rejects.toThrow(/401|403|unauthorized|denied|credential/i);
    await expect(push(shown(reader))).rejects.toThrow(REFUSED);
    await push(shown(workload));
    await run('attach', ...shown(workload), '--artifact-type', 'a/b', notes, 'note.txt:text/plain');
    const out = join(rig.dir, 'notes');
    await mkdir(out);
    await run('pull', ...shown(reader), '-o', out, notes);
    expect(await readFile(join(out, 'note.txt'), 'utf8')).toBe('note');
    const found = await run('discover', ...shown(reader), '--format', 'json', notes);
    expect((JSON.parse(found) as { manifests: unknown[] }).manifests).toHaveLength(1);
  });

  it.skipIf(crane === undefined)('crane, by tokens', async () => {
    const home = await makeHome(join(rig.dir, 'crane'));
    const env = { ...home, SSL_CERT_FILE: ca };
    const run = (args: string[], from: NodeJS.ProcessEnv = env) =>
      rig.run(crane ?? '', args, { env: from });
    const secret = await rig.token('crane', 'push:team/**');

    await expect(run(['digest', `${host}/public/app:v1`], home)).rejects.toThrow(UNTRUSTED);
    await run(['pull', '--format=oci', `${host}/public/app:v1`, join(rig.dir, 'pulled')]);
    await expect(run(['digest', `${host}/team/app:v1`])).rejects.toThrow(REFUSED);
    await run(['auth', 'login', host, '-u', 'any', '-p', secret]);
    // The index of the layout holds the release's index.
    await run(['push', '--index', layout, `${host}/team/crane:v1`]);
    expect(await run(['validate', '--remote', `${host}/team/crane:v1`])).toContain('PASS');
    await expect(run(['tag', `${host}/public/app:v1`, 'no'])).rejects.toThrow(REFUSED);
    // Of uploads side by side it may name one that it cancelled, not the one that was refused.
    await expect(run(['push', '--index', layout, `${host}/public/no:v1`])).rejects.toThrow();
    await expect(run(['digest', `${host}/public/no:v1`])).rejects.toThrow(/404|unknown/i);
  });

  it.skipIf(helm === undefined)('helm', async () => {
    const trust = ['--ca-file', ca];
    const shown = (pair: Pair) => [
      ...trust,
      ...['--cert-file', pair.certFile, '--key-file', pair.keyFile],
    ];
    const run = (...args: string[]) => rig.run(helm ?? '', args);
    const chart = 'apiVersion: v2\nname: till\nversion: 1.0.0\n';
    await mkdir(join(rig.dir, 'till'));
    await writeFile(join(rig.dir, 'till/Chart.yaml'), chart);
    await run('package', 'till');
    const charts = `oci://${host}/team/charts`;
    const push = (flags: string[]) => run('push', 'till-1.0.0.tgz', charts, ...flags);
    const show = (flags: string[]) => run('show', 'chart', `${charts}/till`, ...flags);

    await expect(push([])).rejects.toThrow(UNTRUSTED);
    await expect(push(trust)).rejects.toThrow(REFUSED);
    await push(shown(workload));
    await expect(show(trust)).rejects.toThrow(REFUSED);
    expect(await show(shown(reader))).toContain('name: till');
    // With the secret of a token, and no certificate.
    const secret = await rig.token('helm', 'pull:team/charts/**');
    const login = ['registry', 'login', host, '-u', 'any', '--password-stdin', ...trust];
    await rig.run(helm ?? '', login, { input: secret });
    expect(await show(trust)).toContain('name: till');
  });

  it.skipIf(containerd === undefined || ctr === undefined)('containerd', async () => {
    const programs = { containerd: containerd ?? '', ctr: ctr ?? '' };
    const node = await startContainerd(programs, rig.env);
    try {
      const name = (who: string): string => `${who}.example.test`;
      const pull = (who: string, repo: string, ...more: string[]) =>
        node.pull(`${name(who)}/${repo}:v1`, ...more);
      await node.mirror(name('nobody'), rig.url, { ca });
      await node.mirror(name('reader'), rig.url, { ca, client: reader });
      await node.mirror(name('workload'), rig.url, { ca, client: workload });
      await node.mirror(name('trustless'), rig.url);

      await expect(pull('trustless', 'public/app')).rejects.toThrow();
      await expect(pull('nobody', 'team/app')).rejects.toThrow(REFUSED);
      expect(await node.contents()).toEqual([]);
      await pull('nobody', 'public/app');
      await pull('reader', 'team/app', '--all-platforms');
      expect(await node.contents()).toHaveLength((await blobsOf('in')).length);
      const push = (who: string) =>
        node.ctr(
          ...['images', 'push', '--hosts-dir', node.hostsDir],
          ...[`${name(who)}/team/pushed:v1`, `${name('reader')}/team/app:v1`],
        );
      await expect(push('reader')).rejects.toThrow();
      await expect(pull('reader', 'team/pushed')).rejects.toThrow(/http.StatusNotFound/);
      await push('workload');
      await pull('reader', 'team/pushed');
      // A token's secret does where no certificate is.
      const secret = await rig.token('containerd', 'pull:team/**');
      await pull('nobody', 'team/pushed', '--user', `any:${secret}`);
    } finally {
      await node.stop();
    }
  });
});
