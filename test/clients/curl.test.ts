import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { digestOf, type Digest } from '../../storage/digest.ts';
import { Client } from '../server/oci/rig.ts';
import { printVersion, startClientRig, type ClientRig } from './client-rig.ts';
import { seededBytes } from './oci-image.ts';
import { needTool } from './require.ts';

const curl = needTool('curl');

describe.skipIf(curl === undefined)('curl', () => {
  const bytes = seededBytes('curl', 1_000_003);
  const digest: Digest = digestOf(bytes);
  let rig: ClientRig;

  beforeAll(async () => {
    rig = await startClientRig('curl');
    await new Client(rig.url, 'demo/app').pushBlob(bytes);
    printVersion('curl', await rig.run(curl ?? '', ['--version']));
  });
  afterAll(() => rig.close());

  const run = (...args: string[]) => rig.run(curl ?? '', ['-sS', '--fail-with-body', ...args]);
  const read = (name: string) => readFile(join(rig.dir, name));
  const paths = [`/v2/demo/app/blobs/${digest}`, `/v1/blobs/${digest}`];

  for (const [number, path] of paths.entries()) {
    const name = (what: string) => `${what}-${number}`;

    it(`reads ${path.slice(0, 4)} blobs whole, by HTTP/1.1 and 1.0`, async () => {
      for (const version of ['--http1.1', '--http1.0']) {
        await run(version, '-o', name('whole'), rig.url + path);
        expect((await read(name('whole'))).equals(bytes)).toBe(true);
      }
      // It offers gzip; a blob is never encoded.
      const headers = await run('-I', '--compressed', rig.url + path);
      expect(headers).toMatch(/^HTTP\/1.1 200 /);
      expect(headers).toMatch(new RegExp(`^content-length: ${bytes.length}\r$`, 'im'));
      expect(headers).toMatch(/^accept-ranges: bytes\r$/im);
      expect(headers).not.toMatch(/content-encoding/i);
    });

    it(`reads ranges of ${path.slice(0, 4)} blobs`, async () => {
      for (const [range, start, end] of [
        ['0-0', 0, 1],
        ['1000-1999', 1000, 2000],
        ['999990-', 999_990, bytes.length],
        ['-7', bytes.length - 7, bytes.length],
        ['999990-2000000', 999_990, bytes.length],
      ] as const) {
        const asked = ['-r', range, '-w', '%{http_code}', '-o', name('range'), rig.url + path];
        expect(await run(...asked)).toBe('206');
        expect((await read(name('range'))).equals(bytes.subarray(start, end))).toBe(true);
      }
      const parts = await run('-r', '0-9,5-14', '-D', '-', '-o', name('parts'), rig.url + path);
      expect(parts).toMatch(/content-type: multipart\/byteranges; *boundary=/i);
      const past = run('-r', '1000003-', '-D', '-', rig.url + path);
      await expect(past).rejects.toThrow(/416/);
    });

    it(`takes up a broken download of ${path.slice(0, 4)} blobs`, async () => {
      await writeFile(join(rig.dir, name('resumed')), bytes.subarray(0, 400_001));
      const resume = ['-C', '-', '-o', name('resumed'), rig.url + path];
      expect(await run(...resume, '-w', '%{http_code} %{size_download}')).toBe('206 600002');
      expect((await read(name('resumed'))).equals(bytes)).toBe(true);
    });
  }

  it('uploads a blob by one POST, by POST and PUT, and streamed, and deletes it', async () => {
    await writeFile(join(rig.dir, 'body'), bytes);
    const uploads = `${rig.url}/v2/demo/up/blobs/uploads/`;
    const blob = `${rig.url}/v2/demo/up/blobs/${digest}`;
    const status = ['-o', '/dev/null', '-w', '%{http_code}'];
    const expects = ['-H', 'Expect: 100-continue', '-H', 'Content-Type: application/octet-stream'];
    const start = async () => {
      const post = ['-X', 'POST', '-H', 'Content-Length: 0', '-w', '%header{location}'];
      return new URL(await run(...post, uploads), rig.url);
    };
    const endOf = (session: URL) => {
      session.searchParams.set('digest', digest);
      return session.href;
    };
    const remove = () => run(...status, '-X', 'DELETE', blob);

    const single = [...expects, '--data-binary', '@body', `${uploads}?digest=${digest}`];
    expect(await run(...status, ...single)).toBe('201');
    expect(await remove()).toBe('202');
    expect(await run(...status, ...expects, '-T', 'body', endOf(await start()))).toBe('201');
    expect(await remove()).toBe('202');
    const session = await start();
    const chunked = ['-H', 'Transfer-Encoding: chunked', '-X', 'PATCH', '-T', 'body'];
    expect(await run(...status, ...chunked, session.href)).toBe('202');
    const end = ['-X', 'PUT', '-H', 'Content-Length: 0', endOf(session)];
    expect(await run(...status, ...end)).toBe('201');
    await run('-o', 'uploaded', blob);
    expect((await read('uploaded')).equals(bytes)).toBe(true);
    expect(await remove()).toBe('202');
    await expect(run(...status, blob)).rejects.toThrow(/404/);
  });
});
