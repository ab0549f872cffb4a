import { createServer, type Server } from 'node:http';
import { mkdtemp, readFile, rm } from 'node:fs/promises';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { openTrees, type Commits } from '../../bench/ostree/corpus/open-trees.ts';
import type { Trees } from '../../bench/ostree/corpus/recipe.ts';
import { totalBytes } from '../../bench/ostree/generate/delta-bytes.ts';
import { generateStock } from '../../bench/ostree/generate/stock-generator.ts';
import { findOstrees, type OstreeTool } from '../../bench/ostree/ostree-tool.ts';
import { startCountingProxy, total } from '../../bench/ostree/pull/counting-proxy.ts';
import { pullOnce } from '../../bench/ostree/pull/pull-once.ts';
import { copyRepo, updateSummary } from '../../bench/ostree/pull/stock-repo.ts';
import { deltaPath } from '../../delta/ostree/checksum-base64.ts';
import { needTool } from '../clients/require.ts';
import { FILES, LITTLE, unpack } from './ostree-little.ts';

function serve(folder: string): Promise<Server> {
  const server = createServer((request, response) => {
    readFile(join(folder, request.url ?? '')).then(
      (bytes) => response.end(bytes),
      () => response.writeHead(404).end(),
    );
  });
  return new Promise((resolve) => {
    server.listen(0, '127.0.0.1', () => {
      resolve(server);
    });
  });
}

function urlOf(server: Server): string {
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

describe('the counting proxy', () => {
  it('counts requests and every byte of the answers by kind', async () => {
    const server = createServer((request, response) => {
      response.sendDate = false;
      response.end((request.url ?? '').endsWith('/0') ? 'a part' : 'else');
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = await startCountingProxy(urlOf(server));
    for (const path of ['/summary', '/deltas/ab/cd/0', '/deltas/ab/cd/0']) {
      await (await fetch(`${proxy.url}${path}`)).text();
    }
    const { part, document, object } = proxy.traffic();
    expect([part.requests, document.requests, object.requests]).toEqual([2, 1, 0]);
    // The heads are alike, and a part has two bytes more than what else there is.
    expect(part.bytes).toBe(2 * (document.bytes + 2));
    expect(document.bytes).toBeGreaterThan('HTTP/1.1 200 OK\r\n\r\nelse'.length);
    expect(total(proxy.traffic())).toEqual({
      requests: 3,
      bytes: part.bytes + document.bytes,
    });
    await proxy.close();
    server.closeAllConnections();
    server.close();
  });

  it('says so when something else than a pull crosses it', async () => {
    const server = createServer((_, response) => response.end());
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    const proxy = await startCountingProxy(urlOf(server));
    await expect(fetch(proxy.url, { method: 'POST', body: 'x' })).rejects.toThrow();
    expect(() => proxy.traffic()).toThrow('cannot count');
    await proxy.close();
    server.close();
  });
});

describe.skipIf(needTool('ostree') === undefined)('with the real ostree', () => {
  let dir: string;
  let ostree: OstreeTool;
  let commits: Commits;
  let server: Server;
  let repo: string;
  beforeAll(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-bench-test-'));
    [ostree] = await findOstrees();
    commits = await openTrees(LITTLE, ostree, dir);
    repo = join(dir, 'stock');
    await copyRepo(commits, repo);
    server = await serve(repo);
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await rm(dir, { recursive: true, force: true });
  });

  it('the same recipe makes the same commits, once', async () => {
    expect(await openTrees(LITTLE, ostree, dir)).toEqual(commits);
    const other = await openTrees(LITTLE, ostree, join(dir, 'elsewhere'));
    expect([other.from, other.to]).toEqual([commits.from, commits.to]);
    expect(commits.after).toEqual({ files: FILES + 1, bytes: 400_130 });
  });

  it('what is gone is looked for again', async () => {
    let gone = ['a-package'];
    const recipe = {
      ...{ ...LITTLE, name: 'lacking' },
      unpack: async (trees: Trees) => [...(await unpack(trees)), ...gone],
    };
    expect((await openTrees(recipe, ostree, dir)).gone).toEqual(['a-package']);
    gone = [];
    expect((await openTrees(recipe, ostree, dir)).gone).toEqual([]);
  });

  it("the stock delta's bytes are those of its files, and a pull takes them and little more", async () => {
    const made = await generateStock(ostree, repo, commits, []);
    await updateSummary(ostree, repo);
    const files = await Promise.all(
      (['superblock', 0] as const).map((file) =>
        readFile(join(repo, deltaPath({ delta: commits, file }))),
      ),
    );
    expect(made.bytes).toMatchObject({ partCount: 1, fallbackCount: 0 });
    expect(totalBytes(made.bytes)).toBe(files.reduce((sum, { length }) => sum + length, 0));
    const url = urlOf(server);
    const { traffic } = await pullOnce({ client: ostree, url, commits, kind: 'update' });
    expect(traffic.superblock.requests).toBe(1);
    expect(traffic.part.requests).toBe(1);
    expect(traffic.part.bytes).toBeGreaterThan(made.bytes.parts);
    const whole = await pullOnce({ client: ostree, url, commits, kind: 'scratch' });
    expect(whole.traffic.part.requests).toBe(0);
    expect(whole.traffic.object.requests).toBeGreaterThan(FILES);
  });

  it('a pull that does not end right is no result', async () => {
    const url = `${urlOf(server)}/nothing-here`;
    const pulling = pullOnce({ client: ostree, url, commits, kind: 'scratch' });
    await expect(pulling).rejects.toThrow(/ended with 1/);
  });
});
