import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf, type Digest } from '../../storage/digest.ts';
import { Authority, type Pair } from '../server/tls/authority.ts';
import { Client } from '../server/oci/rig.ts';
import { seededBytes } from './oci-image.ts';
import { needTool } from './require.ts';
import { startTlsRig, type TlsRig } from './tls-rig.ts';

const curl = needTool('curl');
const openssl = needTool('openssl');

/** A workload may push and see everything below team/, anybody may read what is below public/. */
describe.skipIf(curl === undefined || openssl === undefined)('curl over TLS', () => {
  const bytes = seededBytes('tls-curl', 100_003);
  const digest: Digest = digestOf(bytes);
  let rig: TlsRig;
  let workload: Pair;

  beforeAll(async () => {
    rig = await startTlsRig('tls-curl', {
      asksClients: true,
      access: {
        anonymous: ['pull:public/**'],
        'uri:spiffe://fleet.example/ci/*': ['push:team/**'],
      },
    });
    const { authority } = rig;
    workload = authority.leaf('workload', { san: 'URI:spiffe://fleet.example/ci/build' });
    await rig.plain(async (url) => {
      for (const repo of ['public/app', 'team/app']) await new Client(url, repo).pushBlob(bytes);
    });
  });
  afterAll(() => rig.close());

  /** Status and body of a request that reaches the server. */
  const ask = async (path: string, who?: Pair, ...more: string[]) => {
    const text = await rig.run(curl ?? '', [
      ...['-sS', '--cacert', rig.authority.certFile, '-w', '\n%{http_code}'],
      ...(who === undefined ? [] : ['--cert', who.certFile, '--key', who.keyFile]),
      ...[...more, path.startsWith('/') ? rig.url + path : path],
    ]);
    const end = text.lastIndexOf('\n');
    return { status: Number(text.slice(end)), text: text.slice(0, end) };
  };
  const blob = (repo: string): string => `/v2/${repo}/blobs/${digest}`;
  const save = ['-o', '/dev/null'];

  it('reads what is open without a certificate, from a server that it knows', async () => {
    expect(await ask(blob('public/app'), undefined, ...save)).toEqual({ status: 200, text: '' });
    const unknown = rig.run(curl ?? '', ['-sS', rig.url + blob('public/app')]);
    await expect(unknown).rejects.toThrow(/certificate|issuer/);
  });

  it('is told what it lacks, with a challenge that leads back to https', async () => {
    const { status, text } = await ask(blob('team/app'), undefined, '-i');
    expect(status).toBe(401);
    expect(text).toContain(
      `Bearer realm="${rig.url}/v1/token",service="${rig.host}",scope="repository:team/app:pull"`,
    );
    expect(text).toContain('"code":"UNAUTHORIZED"');
    const problem = await ask('/metrics');
    expect(problem.status).toBe(401);
    expect(JSON.parse(problem.text)).toMatchObject({ status: 401, code: 'unauthorized' });
  });

  it('reads and writes by a certificate as far as the rules go', async () => {
    expect((await ask(blob('team/app'), workload, ...save)).status).toBe(200);
    const uploads = '/v2/team/up/blobs/uploads/';
    await writeFile(join(rig.dir, 'body'), bytes);
    const post = ['-X', 'POST', '-H', 'Content-Length: 0', '-o', '/dev/null'];
    const started = await ask(uploads, workload, ...post, '-w', '%header{location}\n%{http_code}');
    expect(started.status).toBe(202);
    const session = new URL(started.text, rig.url);
    expect(session.origin).toBe(rig.url);
    session.searchParams.set('digest', digest);
    expect((await ask(session.href, workload, '-T', 'body', ...save)).status).toBe(201);
    expect((await ask(blob('team/up'), workload, ...save)).status).toBe(200);
    const beyond = await ask('/v2/public/app/blobs/uploads/', workload, ...post);
    expect(beyond.status).toBe(403);
  });

  it('is told why its certificate does not count, also where it would need none', async () => {
    const { authority } = rig;
    const other = new Authority(rig.dir, 'other');
    const san = 'URI:spiffe://fleet.example/ci/build';
    for (const [pair, reason] of [
      [authority.leaf('expired', { san, days: -1 }), /has expired; renew it/],
      [other.leaf('foreign', { san }), /no authority that this server trusts has signed it/],
      [authority.leaf('two', { san: `${san},URI:urn:b` }), /exactly one URI/],
    ] as const) {
      for (const repo of ['team/app', 'public/app']) {
        const { status, text } = await ask(blob(repo), pair);
        expect(status).toBe(401);
        expect(text).toMatch(reason);
      }
    }
    expect((await ask('/livez', authority.leaf('old', { days: -1 }))).status).toBe(200);
  });

  it('speaks HTTP/1.1 over TLS 1.2 or 1.3 and nothing else', async () => {
    const path = blob('public/app');
    const version = ['-o', '/dev/null', '-w', '%{http_version}\n%{http_code}'];
    for (const tls of ['1.2', '1.3']) {
      const flags = ['--http2', `--tlsv${tls}`, '--tls-max', tls];
      expect(await ask(path, undefined, ...flags, ...version)).toEqual({
        status: 200,
        text: '1.1',
      });
    }
    await expect(ask(path, undefined, '--tls-max', '1.1')).rejects.toThrow(/curl: \(35\)/);
    const plain = ask(`http://${rig.host}${path}`);
    await expect(plain).rejects.toThrow(/curl: \((1|52|56)\)/);
    expect((await ask(path, undefined, ...save)).status).toBe(200);
  });
});
