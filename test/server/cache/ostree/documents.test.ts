import { describe, expect, it } from 'vitest';

import { deltaIndexPath, deltaPath } from '../../../../delta/ostree/checksum-base64.ts';
import { parseDeltaIndex } from '../../../../delta/ostree/delta-index.ts';
import { checksumOf } from '../../../../delta/ostree/objects/checksum.ts';
import { objectPath } from '../../../../delta/ostree/objects/object-name.ts';
import { formatSummaryFacts, parseSummaryFacts } from '../../../../delta/ostree/summary-facts.ts';
import { formatSummary, parseSummary } from '../../../../delta/ostree/summary.ts';
import { digestOf } from '../../../../storage/digest.ts';
import { ask, noise, startTestCache, until } from '../tools.ts';
import { A, addDelta, B, COMMIT, publishIndex, TO } from './fake-delta.ts';
import { FakeRepo } from './fake-repo.ts';

const INDEX = deltaIndexPath(TO);

function at(url: string, inside: string): string {
  return `${url}/ostree/fleet/os/${inside}`;
}

describe('files that change', () => {
  it('are asked for each time, and served with their age without the origin', async () => {
    const repo = await FakeRepo.start();
    let nowMs = 1_700_000_000_000;
    const { url } = await startTestCache(repo.origin.url, {}, { clock: () => nowMs });
    const meta = `objects/ab/${'c'.repeat(62)}.commitmeta`;
    const paths = ['config', 'refs/heads/os/x86_64/stable', meta];
    for (const path of paths) {
      repo.files.set(path, Buffer.from('one'));
      expect((await ask(at(url, path))).body.toString()).toBe('one');
      repo.files.set(path, Buffer.from('two'));
      const { headers, body } = await ask(at(url, path));
      expect([body.toString(), headers['age']]).toEqual(['two', undefined]);
      expect(headers['cache-control']).toBe('public, no-cache');
      const again = await ask(at(url, path), { headers: { 'if-none-match': headers.etag ?? '' } });
      expect(again.status).toBe(304);
    }
    await repo.origin.stop();
    nowMs += 5000;
    for (const path of paths) {
      const { headers, body } = await ask(at(url, path));
      expect([body.toString(), headers['age'], headers['rivulet-age']]).toEqual(['two', '5', '5']);
    }
  });

  it('that are not there: the origin is asked again, and its last answer counts without it', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    const meta = `objects/ab/${'c'.repeat(62)}.commitmeta`;
    expect((await ask(at(url, meta))).status).toBe(404);
    expect((await ask(at(url, 'refs/heads/os'))).status).toBe(404);
    repo.files.set('refs/heads/os', Buffer.from('one'));
    expect((await ask(at(url, 'refs/heads/os'))).status).toBe(200);
    await repo.origin.stop();
    const gone = await ask(at(url, meta));
    expect([gone.status, gone.headers['age']]).toEqual([404, expect.stringMatching(/^\d+$/)]);
    expect((await ask(at(url, 'refs/heads/os'))).body.toString()).toBe('one');
    expect((await ask(at(url, 'refs/heads/other'))).status).toBe(503);
  });
});

describe('deltas', () => {
  it('in a new index are not shown before their superblocks', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    const delta = addDelta(repo, A, { signed: 'by one' });
    publishIndex(repo, [delta]);
    const superblock = deltaPath({ delta, file: 'superblock' });
    for (const path of [INDEX, superblock, deltaPath({ delta, file: 0 })]) {
      expect((await ask(at(url, path))).status).toBe(200);
    }
    addDelta(repo, A, { signed: 'by one and another' });
    publishIndex(repo, [delta]);
    repo.asked.length = 0;
    const { body } = await ask(at(url, INDEX));
    expect(repo.asked).toEqual([`GET ${INDEX}`, `GET ${superblock}`]);
    await repo.origin.stop();
    // Both are new, so that they fit.
    const kept = await ask(at(url, superblock));
    expect(parseDeltaIndex(body)[0]?.superblock).toBe(digestOf(kept.body));
    expect((await ask(at(url, INDEX))).body.equals(body)).toBe(true);
  });

  it('are those that are here whole, without the origin', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    const fallback = checksumOf(noise(20));
    const deltas = [undefined, A, B].map((from) => addDelta(repo, from, { fallback }));
    const [scratch, fromA, fromB] = deltas;
    if (!scratch || !fromA || !fromB) throw new Error('three deltas');
    publishIndex(repo, deltas);
    repo.files.set(objectPath({ kind: 'file', checksum: fallback }), noise(100));
    const get = async (...paths: readonly string[]): Promise<void> => {
      for (const path of paths) expect((await ask(at(url, path))).status, path).toBe(200);
    };
    const offline = async (): Promise<string> => {
      await repo.origin.stop();
      const { status, headers, body } = await ask(at(url, INDEX));
      await repo.origin.start();
      await until(async () => (await ask(at(url, INDEX))).headers['age'] === undefined);
      expect(headers['age']).toMatch(/^\d+$/);
      if (status !== 200) return String(status);
      const listed = parseDeltaIndex(body);
      return listed.map(({ delta }) => deltas.findIndex(({ from }) => from === delta.from)).join();
    };
    await get(INDEX, deltaPath({ delta: scratch, file: 'superblock' }));
    await get(deltaPath({ delta: fromA, file: 'superblock' }));
    expect(await offline()).toBe('404');
    await get(deltaPath({ delta: scratch, file: 0 }), deltaPath({ delta: fromB, file: 0 }));
    expect(await offline()).toBe('404');
    await get(objectPath({ kind: 'file', checksum: fallback }));
    expect(await offline()).toBe('0');
    await get(deltaPath({ delta: fromA, file: 0 }));
    expect((await offline()).split(',').toSorted()).toEqual(['0', '1']);
  });

  it('that are not here are none, without the origin, when the commit is here', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    repo.files.set(objectPath({ kind: 'commit', checksum: TO }), COMMIT);
    const [known, other] = [A, B].map((from) => addDelta(repo, from));
    if (!known || !other) throw new Error('two deltas');
    const superblocks = [known, other].map((delta) => deltaPath({ delta, file: 'superblock' }));
    await ask(at(url, superblocks[0] ?? ''));
    await repo.origin.stop();
    for (const path of superblocks) expect((await ask(at(url, path))).status).toBe(503);
    await repo.origin.start();
    await until(async () => (await ask(at(url, 'config'))).status === 404);
    await ask(at(url, objectPath({ kind: 'commit', checksum: TO })));
    await repo.origin.stop();
    for (const path of [INDEX, ...superblocks]) expect((await ask(at(url, path))).status).toBe(404);
    expect((await ask(at(url, deltaIndexPath(A)))).status).toBe(503);
  });

  it('that are not here whole are none once their index was seen, and what lacks is named', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    const deltas = [A, B].map((from) => addDelta(repo, from));
    publishIndex(repo, deltas);
    const [known = '', other = ''] = deltas.map((delta) =>
      deltaPath({ delta, file: 'superblock' }),
    );
    for (const path of [INDEX, known]) await ask(at(url, path));
    await repo.origin.stop();
    const part = known.replace('superblock', '0');
    for (const [path, lacking] of [
      [known, part],
      [other, 'not to be had'],
    ] as const) {
      const { status, body } = await ask(at(url, path));
      expect([status, body.toString()]).toEqual([404, expect.stringContaining(lacking)]);
      expect(body.toString()).toContain(path);
    }
    expect((await ask(at(url, INDEX))).status).toBe(404);
  });

  it('of a summary that nobody signed: without the origin those that are here whole', async () => {
    const repo = await FakeRepo.start();
    const { url } = await startTestCache(repo.origin.url);
    const deltas = [A, B].map((from) => addDelta(repo, from));
    const facts = parseSummaryFacts([]);
    const staticDeltas = deltas.map((delta) => ({
      delta,
      superblock: digestOf(
        repo.files.get(deltaPath({ delta, file: 'superblock' })) ?? Buffer.alloc(0),
      ),
    }));
    const summary = formatSummary({
      refs: [],
      metadata: formatSummaryFacts({ ...facts, lastModified: 5n, staticDeltas }),
    });
    repo.files.set('summary', summary);
    const listed = async (): Promise<readonly unknown[]> => {
      const { metadata } = parseSummary((await ask(at(url, 'summary'))).body);
      const read = parseSummaryFacts(metadata);
      expect(read.lastModified).toBe(5n);
      return read.staticDeltas.map(({ delta }) => delta.from);
    };
    expect(await listed()).toEqual([A, B].toSorted());
    const [delta] = deltas;
    if (delta === undefined) throw new Error('a delta');
    for (const file of ['superblock', 0] as const) await ask(at(url, deltaPath({ delta, file })));
    await repo.origin.stop();
    expect(await listed()).toEqual([A]);
    await repo.origin.start();
    repo.files.set('summary.sig', Buffer.from('signed'));
    await until(async () => (await ask(at(url, 'summary.sig'))).status === 200);
    await repo.origin.stop();
    // Its signatures are of all of it.
    expect((await ask(at(url, 'summary'))).body.equals(summary)).toBe(true);
  });
});
