import { describe, expect, test } from 'vitest';

import { formatObjectName } from '../../../storage/ostree/object-name.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import type { CatalogUnderTest } from '../catalog.ts';
import { OTHER, REPO } from './names.ts';
import { batchOf, MAIN, nameOf, record, sorted, sum, tree } from './ostree-names.ts';

export function ostreeRefSuite(setup: CatalogUnderTest): void {
  describe('ostree: closures', () => {
    test('gaps are what is lacking, in steps, without history', async () => {
      const { ostree } = (await setup()).catalog;
      const { all, commit, root, meta, sub, outer, inner } = tree('c', ['a', 'b'], 'parent');
      const gaps = async (limit = 10) => ostree.closureGaps(REPO, commit.name.checksum, limit);
      expect(await gaps()).toEqual([commit.name]);
      await ostree.addObjects(REPO, batchOf(commit));
      expect(sorted(await gaps())).toEqual(sorted([root.name, meta.name]));
      expect(await gaps(1)).toHaveLength(1);
      await ostree.addObjects(REPO, batchOf(root, meta, inner));
      expect(sorted(await gaps())).toEqual(sorted([sub.name, outer.name]));
      await ostree.addObjects(REPO, batchOf(sub, outer));
      expect(await gaps()).toEqual([]);
      expect(await ostree.closureGaps(REPO, sum('parent'), 10)).toEqual([
        nameOf('commit', 'parent'),
      ]);
      const { objects } = await ostree.closure(REPO, commit.name.checksum, { limit: 10 });
      expect(sorted(objects)).toEqual(sorted(all.map(({ name }) => name)));
      expect(new Set(objects.map(({ size }) => size))).toEqual(new Set([20]));
    });

    test('what another repository has is a gap, and its children are not told', async () => {
      const { ostree } = (await setup()).catalog;
      const { all, commit, root, meta } = tree('c', ['a', 'b']);
      await ostree.addObjects(OTHER, batchOf(...all));
      expect(await ostree.closureGaps(REPO, commit.name.checksum, 10)).toEqual([commit.name]);
      await ostree.addObjects(REPO, batchOf(commit, meta));
      expect(await ostree.closureGaps(REPO, commit.name.checksum, 10)).toEqual([root.name]);
      const { objects } = await ostree.closure(REPO, commit.name.checksum, { limit: 10 });
      expect(sorted(objects)).toEqual(sorted([commit.name, meta.name]));
    });

    test('a closure comes in pages', async () => {
      const { ostree } = (await setup()).catalog;
      const { all, commit } = tree('c', ['a', 'b']);
      await ostree.addObjects(REPO, batchOf(...all));
      const seen: string[] = [];
      let after: number | undefined;
      do {
        const page = { limit: 2, ...(after !== undefined && { after }) };
        const { objects, next } = await ostree.closure(REPO, commit.name.checksum, page);
        expect(objects.length).toBeLessThanOrEqual(2);
        seen.push(...objects.map(formatObjectName));
        after = next;
      } while (after !== undefined);
      expect(seen.toSorted()).toEqual(sorted(all.map(({ name }) => name)));
    });
  });

  describe('ostree: refs', () => {
    async function pushed(...commits: readonly string[]) {
      const { catalog, clock } = await setup();
      for (const c of commits) {
        await catalog.ostree.addObjects(REPO, batchOf(...tree(c, [`${c} a`, `${c} b`]).all));
      }
      return { ostree: catalog.ostree, clock };
    }

    test('move as a compare-and-swap', async () => {
      const { ostree, clock } = await pushed('1', '2');
      expect(await ostree.resolveRef(REPO, MAIN)).toBeUndefined();
      const stray = ostree.moveRef(REPO, MAIN, sum('1'), sum('2'));
      await expect(stray).rejects.toMatchObject({
        code: 'conflict',
        detail: { actual: undefined },
      });
      await ostree.moveRef(REPO, MAIN, sum('1'), undefined);
      const late = ostree.moveRef(REPO, MAIN, sum('2'), undefined);
      await expect(late).rejects.toMatchObject({ code: 'conflict', detail: { actual: sum('1') } });
      clock.nowMs += 5;
      await ostree.moveRef(REPO, MAIN, sum('2'), sum('1'));
      // Whose answer was lost asks again.
      await ostree.moveRef(REPO, MAIN, sum('2'), sum('1'));
      expect(await ostree.refs(REPO)).toEqual([
        { ref: MAIN, checksum: sum('2'), size: 20, updatedMs: clock.nowMs, moveId: 2 },
      ]);
      expect(await ostree.refs(REPO, MAIN)).toEqual(await ostree.refs(REPO));
      expect(await ostree.refs(REPO, parseOstreeRef('os/none'))).toEqual([]);
      expect(await ostree.refs(OTHER)).toEqual([]);
      expect(await ostree.resolveRef(REPO, MAIN)).toBe(sum('2'));
    });

    test('of two moves at once one wins', async () => {
      const { ostree } = await pushed('1', '2', '3');
      await ostree.moveRef(REPO, MAIN, sum('1'), undefined);
      const moves = await Promise.allSettled(
        ['2', '3'].map((c) => ostree.moveRef(REPO, MAIN, sum(c), sum('1'))),
      );
      expect(moves.map(({ status }) => status).toSorted()).toEqual(['fulfilled', 'rejected']);
    });

    test('never move to what is not whole', async () => {
      const { ostree } = await pushed('1');
      const { commit, root, meta } = tree('c', ['a', 'b']);
      await ostree.addObjects(REPO, batchOf(commit, meta));
      const moved = ostree.moveRef(REPO, MAIN, commit.name.checksum, 'any');
      await expect(moved).rejects.toMatchObject({
        code: 'missing',
        detail: { missing: [root.name] },
      });
      await expect(ostree.moveRef(OTHER, MAIN, sum('1'), 'any')).rejects.toMatchObject({
        code: 'missing',
        detail: { missing: [nameOf('commit', '1')] },
      });
      expect(await ostree.refs(REPO)).toEqual([]);
      expect(await ostree.refLog(REPO, MAIN, 10)).toEqual([]);
    });

    test('are listed in byte order', async () => {
      const { ostree } = await pushed('1');
      const names = ['b', 'a/b', 'a', 'B', 'a.b'];
      for (const name of names) {
        await ostree.moveRef(REPO, parseOstreeRef(name), sum('1'), undefined);
      }
      const refs = await ostree.refs(REPO);
      expect(refs.map(({ ref }) => ref)).toEqual(['B', 'a', 'a.b', 'a/b', 'b']);
    });

    test('leave a log, newest first, each commit once', async () => {
      const { ostree, clock } = await pushed('1', '2');
      for (const c of ['1', '2', '1']) {
        clock.nowMs += 1;
        await ostree.moveRef(REPO, MAIN, sum(c), 'any');
      }
      const log = await ostree.refLog(REPO, MAIN, 10);
      const first = { checksum: sum('1'), previous: sum('2'), movedMs: clock.nowMs };
      const second = { checksum: sum('2'), previous: sum('1'), movedMs: clock.nowMs - 1 };
      expect(log).toMatchObject([first, second]);
      expect((log[0]?.id ?? 0) > (log[1]?.id ?? 0)).toBe(true);
      expect(await ostree.refLog(REPO, MAIN, 1)).toEqual(log.slice(0, 1));
      expect(await ostree.refLog(OTHER, MAIN, 10)).toEqual([]);
    });

    test('are deleted with their log', async () => {
      const { ostree } = await pushed('1');
      await ostree.moveRef(REPO, MAIN, sum('1'), undefined);
      expect(await ostree.deleteRef(REPO, MAIN)).toBe(true);
      expect(await ostree.deleteRef(REPO, MAIN)).toBe(false);
      expect(await ostree.resolveRef(REPO, MAIN)).toBeUndefined();
      expect(await ostree.refLog(REPO, MAIN, 10)).toEqual([]);
      await ostree.moveRef(REPO, MAIN, sum('1'), undefined);
    });
  });

  describe('ostree: commitmeta', () => {
    test('is replaced as a compare-and-swap', async () => {
      const { catalog, clock } = await setup();
      const { ostree } = catalog;
      const put = (text: string, expected: Uint8Array | undefined | 'any', repo = REPO) =>
        ostree.putCommitmeta(repo, sum('c'), Buffer.from(text), expected);
      await expect(put('x', 'any')).rejects.toMatchObject({ code: 'missing' });
      await ostree.addObjects(REPO, batchOf(record('commit', 'c')));
      await expect(put('x', 'any', OTHER)).rejects.toMatchObject({ code: 'missing' });
      expect(await ostree.commitmeta(REPO, sum('c'))).toBeUndefined();
      await put('one', undefined);
      await expect(put('two', undefined)).rejects.toMatchObject({ code: 'conflict' });
      await expect(put('two', Buffer.from('on'))).rejects.toMatchObject({ code: 'conflict' });
      clock.nowMs += 5;
      await put('two', Buffer.from('one'));
      const meta = await ostree.commitmeta(REPO, sum('c'));
      expect(meta).toEqual({ bytes: Buffer.from('two'), updatedMs: clock.nowMs });
      await put('three', 'any');
      const large = ostree.putCommitmeta(REPO, sum('c'), Buffer.alloc(1024 * 1024 + 1), 'any');
      await expect(large).rejects.toMatchObject({ code: 'too_large' });
      expect((await ostree.commitmeta(REPO, sum('c')))?.bytes.toString()).toBe('three');
    });
  });
}
