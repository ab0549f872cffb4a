import { randomBytes } from 'node:crypto';
import { connect } from 'node:net';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { formatCommitmeta, parseCommitmeta } from '../../../delta/ostree/commitmeta.ts';
import { encodeVariant } from '../../../delta/ostree/gvariant/encode.ts';
import { formatDirtree } from '../../../delta/ostree/objects/dirtree.ts';
import { formatFilezHeader } from '../../../delta/ostree/objects/file-header.ts';
import { problemOf, Pusher, startOstreeRig, type NamedBytes, type OstreeRig } from './rig.ts';
import { HEADER, sampleCommit, sampleFile, sampleMetadata } from './sample-commit.ts';

const NOWHERE = 'ab'.repeat(32);

let rig: OstreeRig;
let pusher: Pusher;

beforeAll(async () => {
  rig = await startOstreeRig();
  pusher = new Pusher(rig.url);
});
afterAll(() => rig.close());

const names = (objects: readonly NamedBytes[]) => objects.map(({ name }) => name);

describe('a push', () => {
  it('asks, sends, moves the ref; asked again, nothing is missing', async () => {
    const { commit, objects } = await sampleCommit({ a: 'hello', b: randomBytes(300_000) });
    expect(await pusher.missing(names(objects))).toEqual(names(objects));
    const sent = await pusher.objects(objects);
    expect(await sent.json()).toEqual({ objects: objects.length });
    expect(await pusher.missing(names(objects))).toEqual([]);
    const moved = await pusher.putRef('os/stable', commit, null);
    expect(await moved.json()).toEqual({ ref: 'os/stable', commit });
    expect(await (await fetch(`${rig.url}/refs/heads/os/stable`)).text()).toBe(`${commit}\n`);
  });

  it('takes objects in any order, and twice', async () => {
    const { commit, objects } = await sampleCommit({ c: 'order', d: '' });
    for (const order of [objects.toReversed(), objects, [...objects, ...objects]]) {
      expect((await pusher.objects(order)).status).toBe(200);
    }
    expect((await pusher.putRef('os/order', commit)).status).toBe(200);
  });

  it('moves a ref only from where it is expected', async () => {
    const [one, two] = [await sampleCommit({ a: '1' }), await sampleCommit({ a: '2' })];
    await pusher.objects([...one.objects, ...two.objects]);
    expect((await pusher.putRef('cas', one.commit, null)).status).toBe(200);
    expect((await pusher.putRef('cas', one.commit, null)).status).toBe(200);
    const refused = await pusher.putRef('cas', two.commit, NOWHERE);
    expect(await refused.json()).toMatchObject({
      status: 409,
      code: 'conflict',
      actual: one.commit,
    });
    const absent = await pusher.putRef('cas/none', two.commit, NOWHERE);
    expect(await absent.json()).toMatchObject({ code: 'conflict', actual: null });
    expect((await pusher.putRef('cas', two.commit, one.commit)).status).toBe(200);
  });

  it('two at once: one of them wins', async () => {
    const [one, two] = [await sampleCommit({ r: '1' }), await sampleCommit({ r: '2' })];
    await Promise.all([pusher.objects(one.objects), pusher.objects(two.objects)]);
    const answers = await Promise.all([
      pusher.putRef('race', one.commit, null),
      pusher.putRef('race', two.commit, null),
    ]);
    expect(answers.map(({ status }) => status).sort()).toEqual([200, 409]);
  });

  it('moves no ref to a commit that is not whole', async () => {
    const { commit, objects } = await sampleCommit({ w: 'whole', x: 'not' });
    await pusher.objects(objects.slice(1));
    const refused = await pusher.putRef('part', commit);
    expect(await refused.json()).toMatchObject({
      status: 422,
      code: 'incomplete',
      missing: [objects[0]?.name],
    });
    const nothing = await pusher.putRef('part', NOWHERE);
    expect(await nothing.json()).toMatchObject({
      code: 'incomplete',
      missing: [`${NOWHERE}.commit`],
    });
  });

  it('deletes a ref', async () => {
    const { commit, objects } = await sampleCommit({ d: 'delete' });
    await pusher.objects(objects);
    await pusher.putRef('gone/soon', commit);
    expect((await pusher.send('DELETE', 'refs/gone/soon')).status).toBe(204);
    expect(await problemOf(await pusher.send('DELETE', 'refs/gone/soon'))).toBe('404 not_found');
  });

  it('keeps nothing of one repository for another', async () => {
    const { objects } = await sampleCommit({ secret: 'mine' });
    await pusher.objects(objects);
    const other = new Pusher(`${rig.origin.url}/ostree/another`);
    expect(await other.missing(names(objects))).toEqual(names(objects));
    const [file] = objects;
    const path = file?.name.replace(/^(..)/, 'objects/$1/') ?? '';
    expect((await fetch(`${rig.url}/${path}`)).status).toBe(200);
    expect((await fetch(`${other.url}/${path}`)).status).toBe(404);
  });
});

describe('a hostile push', () => {
  const badMeta = encodeVariant('(uuua(ayay))', [0, 0, 0, []]);
  const tree = (name: string): Buffer =>
    encodeVariant('(a(say)a(sayay))', [[[name, Buffer.alloc(32)]], []]);

  const BAD: Readonly<Record<string, (file: Buffer) => Buffer | NamedBytes>> = {
    'of another checksum': (file) => ({ name: `${NOWHERE}.filez`, bytes: file }),
    'that is cut off': (file) => file.subarray(0, -3),
    'with bytes after its end': (file) => Buffer.concat([file, Buffer.from('x')]),
    'of no bytes': () => Buffer.alloc(0),
    'with a header of no sense': () => randomBytes(100),
    'with an absurd header': () => Buffer.from('ffffffff00000000', 'hex'),
    'with an absurd size': () => formatFilezHeader({ header: HEADER, size: 2 ** 43 }),
    'with a lying size': (file) =>
      Buffer.concat([formatFilezHeader({ header: HEADER, size: 3 }), file.subarray(34)]),
    'a dirmeta that is no directory': () => sampleMetadata('dirmeta', badMeta),
    'a dirtree with ..': () => sampleMetadata('dirtree', tree('..')),
    'a dirtree with a slash': () => sampleMetadata('dirtree', tree('a/b')),
    'a dirtree not in normal form': () =>
      sampleMetadata(
        'dirtree',
        Buffer.concat([formatDirtree({ files: [], directories: [] }), Buffer.of(0)]),
      ),
    'a commit of noise': () => sampleMetadata('commit', randomBytes(200)),
    'a dirtree as a commit': () =>
      sampleMetadata('commit', formatDirtree({ files: [], directories: [] })),
  };

  it.each(Object.entries(BAD))(
    'refuses an object %s by name, and keeps what came before',
    async (_what, make) => {
      const [good, later] = [
        await sampleFile(randomBytes(200)),
        await sampleFile(randomBytes(200)),
      ];
      const file = await sampleFile(randomBytes(5000));
      const made = make(Buffer.from(file.bytes));
      const bad = Buffer.isBuffer(made) ? { name: file.name, bytes: made } : made;
      const response = await pusher.objects([good, bad, later]);
      expect([413, 422]).toContain(response.status);
      const body = (await response.json()) as { code: string; object: string; detail: string };
      expect(body.code).toBe(response.status === 413 ? 'too_large' : 'bad_object');
      expect(body.detail).toContain(bad.name.slice(0, 64));
      if (response.status === 422) expect(body.object).toBe(bad.name);
      expect(await pusher.missing(names([good, bad, later]))).toEqual(names([bad, later]));
    },
  );

  it('refuses parts that name no object', async () => {
    const { bytes } = await sampleFile(Buffer.from('x'));
    for (const name of [
      'x',
      `${NOWHERE}.commitmeta`,
      `${NOWHERE.toUpperCase()}.filez`,
      `../${NOWHERE}.filez`,
    ]) {
      expect(await problemOf(await pusher.objects([{ name, bytes }]))).toBe('422 bad_format');
    }
    const form = new FormData();
    form.append('field', 'no file');
    expect(await problemOf(await pusher.send('POST', 'objects', form))).toBe('400 invalid_body');
  });

  it('refuses bodies that are none', async () => {
    const post = (type: string, body: string) =>
      pusher.send('POST', 'objects', Buffer.from(body), { 'content-type': type });
    expect(await problemOf(await post('text/plain', 'x'))).toBe('415 unsupported_media_type');
    expect(await problemOf(await post('multipart/form-data', 'x'))).toBe(
      '415 unsupported_media_type',
    );
    const multipart = 'multipart/form-data; boundary=b';
    expect(await problemOf(await post(multipart, 'noise'))).toBe('400 invalid_body');
    expect(await problemOf(await post(multipart, '--b\r\nContent-Disposition: form-data'))).toBe(
      '400 invalid_body',
    );
    for (const [method, path] of [
      ['POST', 'missing'],
      ['PUT', 'refs/r'],
    ] as const) {
      for (const body of [
        {},
        { objects: [], more: 1 },
        { objects: ['x'] },
        { commit: 'x', expected: null },
        { commit: NOWHERE },
      ]) {
        expect(await problemOf(await pusher.json(method, path, body))).toBe('400 invalid_body');
      }
    }
    const many = Array.from({ length: 8193 }, () => `${NOWHERE}.filez`);
    expect(await problemOf(await pusher.json('POST', 'missing', { objects: many }))).toBe(
      '400 invalid_body',
    );
    expect(
      await problemOf(
        await pusher.send('POST', 'missing', 'x'.repeat(2_000_000), {
          'content-type': 'application/json',
        }),
      ),
    ).toBe('413 too_large');
    expect(await problemOf(await pusher.putRef('.hidden', NOWHERE))).toBe('400 invalid_name');
  });
});

describe('a push that breaks', () => {
  it('goes on where it was', async () => {
    const files = await Promise.all(
      Array.from({ length: 50 }, () => sampleFile(randomBytes(20_000))),
    );
    const { hostname, port, pathname } = new URL(rig.url);
    const parts = files.map(({ name, bytes }) =>
      Buffer.concat([
        Buffer.from(`--b\r\nContent-Disposition: form-data; name="f"; filename="${name}"\r\n\r\n`),
        bytes,
        Buffer.from('\r\n'),
      ]),
    );
    const body = Buffer.concat(parts);
    const head = `POST ${pathname}/push/objects HTTP/1.1\r\nHost: ${hostname}\r\nContent-Type: multipart/form-data; boundary=b\r\nContent-Length: ${body.length + 5}\r\n\r\n`;
    await new Promise<void>((resolve) => {
      const socket = connect(Number(port), hostname, () => {
        socket.write(head);
        socket.write(body.subarray(0, Math.floor(body.length * 0.55)), () =>
          setTimeout(() => socket.destroy(), 200),
        );
      });
      socket.on('close', () => {
        resolve();
      });
    });
    await expect
      .poll(async () => (await pusher.missing(names(files))).length, { timeout: 10_000 })
      .toBeLessThan(30);
    const missing = new Set(await pusher.missing(names(files)));
    expect(missing.size).toBeGreaterThan(20);
    const sent = await pusher.objects(files.filter(({ name }) => missing.has(name)));
    expect(await sent.json()).toEqual({ objects: missing.size });
    expect(await pusher.missing(names(files))).toEqual([]);
  });
});

describe('commitmeta', () => {
  const KEY = 'ostree.sign.ed25519';
  const meta = (...signatures: Buffer[]) =>
    formatCommitmeta([[KEY, { type: 'aay', value: signatures }]]);

  it('keeps every signature, whoever adds them at once', async () => {
    const { commit, objects } = await sampleCommit({ m: 'meta' });
    await pusher.objects(objects);
    const signatures = Array.from({ length: 8 }, () => randomBytes(64));
    const answers = await Promise.all(
      signatures.map((one) => pusher.send('PUT', `commitmeta/${commit}`, meta(one))),
    );
    expect(answers.map(({ status }) => status)).toEqual(signatures.map(() => 204));
    await pusher.send('PUT', `commitmeta/${commit}`, meta(...signatures.slice(0, 2)));
    const path = `${rig.url}/objects/${commit.slice(0, 2)}/${commit.slice(2)}.commitmeta`;
    const got = await fetch(path);
    const [entry] = parseCommitmeta(Buffer.from(await got.arrayBuffer()));
    const kept = (entry?.[1].value ?? []) as readonly Uint8Array[];
    expect(kept.map((one) => Buffer.from(one).toString('hex')).sort()).toEqual(
      signatures.map((one) => one.toString('hex')).sort(),
    );
    const again = await fetch(path, {
      headers: { 'if-none-match': got.headers.get('etag') ?? '' },
    });
    expect(again.status).toBe(304);
  });

  it('is refused where it does not belong', async () => {
    const put = (commit: string, bytes: Buffer) =>
      pusher.send('PUT', `commitmeta/${commit}`, bytes);
    expect(await problemOf(await put(NOWHERE, meta(randomBytes(64))))).toBe('404 missing');
    expect(await problemOf(await put('x', meta()))).toBe('400 invalid_name');
    const { commit, objects } = await sampleCommit({ n: 'meta' });
    await pusher.objects(objects);
    expect(await problemOf(await put(commit, randomBytes(99)))).toBe('422 bad_format');
    expect(await problemOf(await put(commit, Buffer.alloc(1024 * 1024 + 1)))).toBe('413 too_large');
  });
});
