import { randomBytes } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { readFilez } from '../../../delta/ostree/objects/filez-read.ts';
import { parseSummary } from '../../../delta/ostree/summary.ts';
import { digestOf } from '../../../storage/digest.ts';
import { rawRequest } from '../http/rig.ts';
import { problemOf, Pusher, REPO, startOstreeRig, type OstreeRig } from './rig.ts';
import { sampleCommit, type SampleCommit } from './sample-commit.ts';

let rig: OstreeRig;
let pusher: Pusher;
let sample: SampleCommit;
const large = randomBytes(3_000_000);

beforeAll(async () => {
  rig = await startOstreeRig();
  pusher = new Pusher(rig.url);
  sample = await sampleCommit({ large, small: 'small', empty: '' });
  await pusher.objects(sample.objects);
  await pusher.putRef('os/stable', sample.commit, null);
});
afterAll(() => rig.close());

const get = (path: string, headers: Record<string, string> = {}, method = 'GET') =>
  fetch(`${rig.url}/${path}`, { headers, method });
const pathOf = (name: string) => `objects/${name.slice(0, 2)}/${name.slice(2)}`;
const bytesOf = async (response: Response) => Buffer.from(await response.arrayBuffer());

/** What `.filez` bytes hold. */
async function contentOf(bytes: Buffer): Promise<Buffer> {
  const parts: Buffer[] = [];
  const { content } = await readFilez(
    (async function* () {
      yield await Promise.resolve(bytes);
    })(),
  );
  for await (const part of content) parts.push(part);
  return Buffer.concat(parts);
}

describe('objects', () => {
  it('come as they were pushed; a .filez holds the content that was', async () => {
    for (const { name, bytes } of sample.objects) {
      const got = await get(pathOf(name));
      expect(got.status, name).toBe(200);
      expect(got.headers.get('cache-control')).toBe('public, max-age=31536000, immutable');
      const body = await bytesOf(got);
      expect(got.headers.get('etag')).toBe(`"${digestOf(body)}"`);
      expect(got.headers.get('content-length')).toBe(String(body.length));
      if (!name.endsWith('.filez')) expect(body.equals(bytes)).toBe(true);
      else expect((await contentOf(body)).equals(await contentOf(Buffer.from(bytes)))).toBe(true);
    }
  });

  it('come in ranges, each a slice of the whole', async () => {
    for (const { name } of sample.objects) {
      const whole = await bytesOf(await get(pathOf(name)));
      for (const [start, end] of [
        [0, 1],
        [3, 9],
        [whole.length - 2, whole.length],
        [0, whole.length],
      ] as const) {
        const got = await get(pathOf(name), { range: `bytes=${start}-${end - 1}` });
        expect(got.status).toBe(206);
        expect((await bytesOf(got)).equals(whole.subarray(start, end)), name).toBe(true);
      }
      const beyond = await get(pathOf(name), { range: `bytes=${whole.length}-` });
      expect(beyond.status).toBe(416);
    }
  });

  it('are told of by HEAD, and not sent again', async () => {
    for (const { name } of sample.objects) {
      const whole = await get(pathOf(name));
      const head = await get(pathOf(name), {}, 'HEAD');
      for (const field of ['etag', 'content-length', 'cache-control']) {
        expect(head.headers.get(field)).toBe(whole.headers.get(field));
      }
      expect(await bytesOf(head)).toHaveLength(0);
      const again = await get(pathOf(name), { 'if-none-match': whole.headers.get('etag') ?? '' });
      expect(again.status).toBe(304);
      await whole.arrayBuffer();
    }
  });

  it('are made once, however many ask', async () => {
    const repo = new Pusher(`${rig.origin.url}/ostree/many/ask`);
    const content = randomBytes(2_000_000);
    const { objects } = await sampleCommit({ content });
    await repo.objects(objects);
    const path = pathOf(objects[0]?.name ?? '');
    const answers = await Promise.all(
      Array.from({ length: 12 }, async () => bytesOf(await fetch(`${repo.url}/${path}`))),
    );
    for (const answer of answers) expect(answer.equals(answers[0] ?? large)).toBe(true);
  });
});

describe('what changes', () => {
  it.each(['config', 'summary', 'refs/heads/os/stable'])(
    '%s has an ETag and a short life',
    async (path) => {
      const got = await get(path);
      expect(got.status).toBe(200);
      expect(got.headers.get('cache-control')).toBe('public, no-cache');
      const body = await bytesOf(got);
      const etag = got.headers.get('etag') ?? '';
      expect(etag).toBe(`"${digestOf(body)}"`);
      const again = await get(path, { 'if-none-match': etag });
      expect([again.status, again.headers.get('etag')]).toEqual([304, etag]);
      const other = await get(path, { 'if-none-match': '"other"' });
      expect([other.status, await bytesOf(other)]).toEqual([200, body]);
      expect((await get(path, { 'if-match': '"other"' })).status).toBe(412);
      const head = await get(path, {}, 'HEAD');
      expect(head.headers.get('content-length')).toBe(String(body.length));
    },
  );

  it('config says what clients need to know', async () => {
    expect(await (await get('config')).text()).toBe(
      '[core]\nrepo_version=1\nmode=archive-z2\nindexed-deltas=true\n',
    );
  });

  it.each(['summary', 'refs/heads/os/stable'])(
    '%s goes by dates, also those that libostree writes',
    async (path) => {
      await sleep(1100);
      const date = (await get(path)).headers.get('last-modified') ?? '';
      for (const since of [date, date.replace('GMT', 'UTC')]) {
        expect((await get(path, { 'if-modified-since': since })).status).toBe(304);
        const changed = await get(path, { 'if-modified-since': since, 'if-none-match': '"other"' });
        expect(changed.status).toBe(200);
      }
      for (const since of [
        'Thu, 01 Jan 1970 00:00:00 GMT',
        'noise',
        new Date(Date.now() + 9e6).toUTCString(),
      ]) {
        expect((await get(path, { 'if-modified-since': since })).status).toBe(200);
      }
    },
  );

  it('the summary follows the refs', async () => {
    const repo = new Pusher(`${rig.origin.url}/ostree/moving`);
    const summary = async () =>
      parseSummary(await bytesOf(await fetch(`${repo.url}/summary`))).refs;
    const [one, two] = [await sampleCommit({ a: '1' }), await sampleCommit({ a: '2' })];
    await repo.objects([...one.objects, ...two.objects]);
    expect(await summary()).toEqual([]);
    await repo.putRef('b', one.commit);
    expect(await summary()).toMatchObject([{ ref: 'b', commit: one.commit }]);
    await repo.putRef('a', two.commit);
    await repo.putRef('b', two.commit);
    const size = two.objects.at(-1)?.bytes.length;
    expect(await summary()).toMatchObject([
      { ref: 'a', commit: two.commit, commitBytes: size },
      { ref: 'b', commit: two.commit, commitBytes: size },
    ]);
    await repo.send('DELETE', 'refs/a');
    expect(await summary()).toMatchObject([{ ref: 'b' }]);
  });
});

describe('what is not there', () => {
  it.each([
    'nothing',
    'refs/heads/none',
    'refs/heads/.hidden',
    'refs/heads/os',
    'refs/mirrors/org.example.Os/stable',
    'refs/heads/',
    'summary.sig',
    `objects/ab/${'c'.repeat(62)}.filez`,
    `objects/ab/${'c'.repeat(62)}.commitmeta`,
    `objects/ab/${'c'.repeat(62)}.file`,
    `objects/AB/${'c'.repeat(62)}.filez`,
    'objects/',
    'objects/..%2f..%2fconfig',
    'deltas/aa/superblock',
    'delta-indexes/aa/bb.index',
    'push/nothing',
  ])('%s is 404', async (path) => {
    expect(await problemOf(await get(path))).toBe('404 not_found');
  });

  it('and neither is a repository that nobody pushed to', async () => {
    for (const path of ['config', 'summary', 'summary.sig', 'refs/heads/os/stable']) {
      const response = await fetch(`${rig.origin.url}/ostree/no/body/${path}`);
      expect(await problemOf(response)).toBe('404 not_found');
    }
    expect(await problemOf(await fetch(`${rig.origin.url}/ostree/Upper/config`))).toBe(
      '400 invalid_name',
    );
    expect(await problemOf(await fetch(`${rig.origin.url}/ostree/config`))).toBe('404 not_found');
  });

  it('a plus in a path is a plus', async () => {
    const raw = await rawRequest(
      rig.origin.url,
      `GET /ostree/${REPO}/deltas/a+/b+c HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n`,
    );
    expect(raw).toContain('deltas/a+/b+c');
  });

  it('and other methods', async () => {
    for (const [method, path, allowed] of [
      ['POST', 'config', 'GET, HEAD'],
      ['DELETE', pathOf(sample.objects[0]?.name ?? ''), 'GET, HEAD'],
      ['GET', 'push/missing', 'POST'],
      ['GET', 'push/refs/a', 'PUT, DELETE'],
    ] as const) {
      const response = await get(path, {}, method);
      expect([response.status, response.headers.get('allow')]).toEqual([405, allowed]);
      await response.arrayBuffer();
    }
  });
});
