import { once } from 'node:events';
import { createReadStream, statSync, writeFileSync } from 'node:fs';
import { rm } from 'node:fs/promises';
import { createServer } from 'node:http';
import { join, normalize } from 'node:path';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { fillTree, RealRepo } from '../../delta/ostree/real-repo.ts';
import { seededBytes } from '../../clients/oci-image.ts';
import { runRivulet } from '../../clients/rivulet.ts';
import { OSTREE, pushedOf, startOstreeRig, type OstreeRig } from './ostree-rig.ts';

const REF = 'os/x86_64/stable';

describe.skipIf(OSTREE === undefined)('rivulet mirror ostree', () => {
  let rig: OstreeRig;
  let repo: RealRepo;
  let web: StaticServer;
  beforeAll(async () => {
    rig = await startOstreeRig();
    repo = new RealRepo('archive');
    fillTree(repo.tree);
    writeFileSync(join(repo.tree, 'big'), seededBytes('big', 2_000_000));
    web = await serveFolder(repo.path);
  });
  afterAll(async () => {
    await web.close();
    repo.remove();
    await rig.close();
  });
  const mirror = (name: string, ...more: readonly string[]) =>
    runRivulet([
      'mirror',
      'ostree',
      `${web.url}/repo`,
      REF,
      name,
      '--server',
      rig.url,
      '--json',
      ...more,
    ]);

  it('takes a ref over, and later what is new', async () => {
    const first = repo.commit(REF);
    const report = pushedOf(await mirror('mirrored'));
    expect(report).toMatchObject({ ref: REF, commit: first, before: null, exists: 0 });
    expect(web.atOnce()).toBeLessThanOrEqual(8);
    const pulled = await rig.pull('mirrored', REF);
    expect((await pulled.run('rev-parse', `origin:${REF}`)).trim()).toBe(first);

    writeFileSync(join(repo.tree, 'etc/news'), 'news');
    const second = repo.commit(REF);
    const news = pushedOf(await mirror('mirrored', '--depth', '1'));
    expect(news).toMatchObject({ commit: second, before: first, sent: 4 });
  });

  it('finds refs in the summary alone, and goes on after broken answers', async () => {
    repo.run('summary', '--update');
    await rm(join(repo.path, 'refs/heads', REF));
    web.breakAnswers(0.3);
    const report = pushedOf(await mirror('broken'));
    web.breakAnswers(0);
    const pulled = await rig.pull('broken', REF);
    expect((await pulled.run('rev-parse', `origin:${REF}`)).trim()).toBe(report.commit);
  });

  it('refuses a damaged object by name, and moves nothing', async () => {
    const [path = ''] = repo.objects().filter((one) => one.endsWith('.filez'));
    const bytes = Buffer.from('not what it says');
    await rm(join(repo.path, path));
    writeFileSync(join(repo.path, path), bytes);
    const commit = repo
      .run('log', repo.run('summary', '--view').match(/[0-9a-f]{64}/)?.[0] ?? '')
      .slice(7, 71);
    const { code, stderr } = await runRivulet([
      'mirror',
      'ostree',
      `${web.url}/repo`,
      commit,
      'damaged',
      '--branch',
      'b',
      '--server',
      rig.url,
    ]);
    expect(code).toBe(3);
    expect(stderr).toContain(path.slice(8).replace('/', ''));
    expect(await rig.ref('damaged', 'b')).toBeUndefined();
  });

  it('says when there is no repository, or no such ref', async () => {
    const none = await runRivulet([
      'mirror',
      'ostree',
      `${web.url}/none`,
      REF,
      'x',
      '--server',
      rig.url,
    ]);
    expect(none).toMatchObject({ code: 1 });
    expect(none.stderr).toContain(`${web.url}/none`);
    const ref = await runRivulet([
      'mirror',
      'ostree',
      `${web.url}/repo`,
      'no',
      'x',
      '--server',
      rig.url,
    ]);
    expect(ref).toMatchObject({ code: 1 });
    expect(ref.stderr).toContain(`it has ${REF}`);
  });
});

interface StaticServer {
  readonly url: string;
  /** The most requests there were at once. */
  readonly atOnce: () => number;
  /** From now on this part of the answers breaks off half-way, or is a 503. */
  readonly breakAnswers: (part: number) => void;
  readonly close: () => Promise<void>;
}

/** Serves a folder as `/repo/`, and nothing else. */
async function serveFolder(folder: string): Promise<StaticServer> {
  let now = 0;
  let most = 0;
  let broken = 0;
  let count = 0;
  const server = createServer((request, response) => {
    now += 1;
    most = Math.max(most, now);
    response.on('close', () => (now -= 1));
    const path = normalize(decodeURIComponent(request.url ?? ''));
    const file = join(folder, path.slice('/repo/'.length));
    const stats = path.startsWith('/repo/') ? statSync(file, { throwIfNoEntry: false }) : undefined;
    if (stats?.isFile() !== true) {
      response.writeHead(404).end();
      return;
    }
    count += 1;
    const isBroken = broken > 0 && count % Math.round(1 / broken) === 0;
    if (isBroken && count % 2 === 0) {
      response.writeHead(503).end();
      return;
    }
    response.writeHead(200, { 'content-length': stats.size });
    const end = isBroken ? Math.floor(stats.size / 2) - 1 : Infinity;
    if (end < 0) response.destroy();
    else
      createReadStream(file, { end })
        .on('end', () => {
          if (isBroken) response.destroy();
        })
        .pipe(response, { end: !isBroken });
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  return {
    url: `http://127.0.0.1:${address.port}`,
    atOnce: () => most,
    breakAnswers(part) {
      broken = part;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
