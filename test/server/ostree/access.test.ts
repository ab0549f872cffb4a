import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { splitOstreePath } from '../../../server/ostree/path.ts';
import { problemOf, Pusher, startOstreeRig, type OstreeRig } from './rig.ts';
import { sampleCommit } from './sample-commit.ts';

let rig: OstreeRig;
const tokens = { reader: '', writer: '', other: '' };

beforeAll(async () => {
  rig = await startOstreeRig({ access: { anonymous: ['pull:open/**'] } });
  tokens.reader = await rig.origin.makeToken('reader', ['pull:fleet/*']);
  tokens.writer = await rig.origin.makeToken('writer', ['push:fleet/*', 'push:open/*']);
  tokens.other = await rig.origin.makeToken('other', ['push:elsewhere/**']);
  const { commit, objects } = await sampleCommit({ a: 'x' });
  for (const url of [rig.url, `${rig.origin.url}/ostree/open/os`]) {
    const pusher = new Pusher(url, tokens.writer);
    expect((await pusher.objects(objects)).status).toBe(200);
    expect((await pusher.putRef('r', commit)).status).toBe(200);
  }
});
afterAll(() => rig.close());

const config = (authorization?: string) =>
  fetch(`${rig.url}/config`, authorization === undefined ? {} : { headers: { authorization } });
const basic = (secret: string) => `Basic ${Buffer.from(`any:${secret}`).toString('base64')}`;

describe('access to OSTree repositories', () => {
  it('asks who it is, and says how to show that', async () => {
    const response = await config();
    expect(response.headers.get('www-authenticate')).toMatch(/^Basic realm="rivulet"/);
    expect(await problemOf(response)).toBe('401 unauthorized');
    expect(await problemOf(await config('Bearer wrong'))).toBe('401 unauthorized');
  });

  it('lets in who may pull, by Bearer and Basic', async () => {
    for (const secret of [tokens.reader, tokens.writer]) {
      expect((await config(`Bearer ${secret}`)).status).toBe(200);
      expect((await config(basic(secret))).status).toBe(200);
    }
    expect(await problemOf(await config(`Bearer ${tokens.other}`))).toBe('403 denied');
    expect((await fetch(`${rig.origin.url}/ostree/open/os/config`)).status).toBe(200);
  });

  it('lets push who may push', async () => {
    const { commit } = await sampleCommit({ a: 'x' });
    const attempts = (token?: string) => {
      const pusher = new Pusher(rig.url, token);
      return [
        pusher.json('POST', 'missing', { objects: [] }),
        pusher.objects([]),
        pusher.putRef('r', commit),
        pusher.send('DELETE', 'refs/r'),
        pusher.send('PUT', `commitmeta/${commit}`, Buffer.alloc(0)),
        pusher.send('POST', 'rootfs?ref=r', Buffer.alloc(1024)),
      ];
    };
    for (const attempt of attempts())
      expect(await problemOf(await attempt)).toBe('401 unauthorized');
    for (const token of [tokens.reader, tokens.other]) {
      for (const attempt of attempts(token)) {
        expect(await problemOf(await attempt)).toBe('403 denied');
      }
    }
  });

  it('goes by the repository that answers, however the path is written', async () => {
    const sneaky = [
      '/ostree/open/os/config/../../../fleet/os/config',
      '/ostree/open/x/objects/../../fleet/os/config',
      '/ostree/open/push/missing/fleet/os/config',
      '/ostree/open%2F..%2Ffleet/os/config',
    ];
    for (const path of sneaky) {
      const response = await fetch(rig.origin.url + path);
      expect([400, 401, 404], path).toContain(response.status);
      await response.arrayBuffer();
    }
  });
});

describe('splitOstreePath', () => {
  it.each([
    ['/ostree/a/config', 'a', 'config'],
    ['/ostree/a/b/c/summary.sig', 'a/b/c', 'summary.sig'],
    ['/ostree/a/refs/heads/b/config', 'a', 'refs/heads/b/config'],
    ['/ostree/a/config/objects/x', 'a/config', 'objects/x'],
    ['/ostree/a/push/refs/objects/x', 'a', 'push/refs/objects/x'],
  ])('%s', (path, repo, inside) => {
    expect(splitOstreePath(path)).toEqual({ repo, inside });
  });

  it.each(['/ostree/', '/ostree/a', '/ostree/config', '/ostree//config', '/ostree/a/b'])(
    '%s is none',
    (path) => {
      expect(splitOstreePath(path)).toBeUndefined();
    },
  );
});
