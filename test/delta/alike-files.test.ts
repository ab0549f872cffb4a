import { describe, expect, it } from 'vitest';

import { AlikeFiles } from '../../delta/plan/alike-files.ts';
import { OldTree } from '../../delta/plan/old-tree.ts';
import { compareSketches, sketchOf } from '../../delta/plan/sketch.ts';
import { walkTar } from '../../delta/tree/walk.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { makePair } from './engine-pairs.ts';
import { makeTar, noise, prose, touched, type TarFile } from './support.ts';

async function sourceNames(old: readonly TarFile[], fresh: TarFile): Promise<string[]> {
  const base = new BufferAccess(makeTar(old));
  const output = new BufferAccess(makeTar([fresh]));
  const { tree } = await OldTree.read([base], {});
  const entry = (await walkTar(output))?.entries[0];
  if (entry === undefined) throw new Error('the new tar was not walked');
  const sources = await new AlikeFiles(tree, [base], {}).sourcesOf(entry, output);
  return sources.map((source) => source.entry.name.toString());
}

const LEFT = noise(200_000, 1);
const RIGHT = noise(150_000, 2);
const OTHER = { name: 'other', bytes: noise(250_000, 3) };

describe('sources by what they hold', () => {
  it.each([20, 200, 2000])('finds a renamed file with %s changes', async (changes) => {
    const fresh = { name: 'new/name', bytes: touched(LEFT, changes, 4) };
    expect(await sourceNames([OTHER, { name: 'old', bytes: LEFT }], fresh)).toEqual(['old']);
  });

  it('finds all files that one was joined of, the one that gives most first', async () => {
    const old = [{ name: 'right', bytes: RIGHT }, OTHER, { name: 'left', bytes: LEFT }];
    const fresh = { name: 'both', bytes: Buffer.concat([RIGHT, noise(5000, 5), LEFT]) };
    expect(await sourceNames(old, fresh)).toEqual(['left', 'right']);
  });

  it('finds where a part was split off', async () => {
    const old = [OTHER, { name: 'both', bytes: Buffer.concat([LEFT, RIGHT]) }];
    expect(await sourceNames(old, { name: 'part', bytes: RIGHT.subarray(0, 60_000) })).toEqual([
      'both',
    ]);
  });

  it('finds nothing in strangers, in zeros and in small files', async () => {
    const old = [OTHER, { name: 'zeros', bytes: Buffer.alloc(100_000) }];
    expect(await sourceNames(old, { name: 'a', bytes: noise(90_000, 9) })).toEqual([]);
    expect(await sourceNames(old, { name: 'b', bytes: Buffer.alloc(90_000) })).toEqual([]);
    expect(await sourceNames(old, { name: 'c', bytes: OTHER.bytes.subarray(0, 4000) })).toEqual([]);
  });

  it('samples the same grams wherever they stand, whatever the pieces', async () => {
    const bytes = prose(700_000, 7);
    const all = { offset: 0, length: bytes.length };
    const one = await sketchOf(new BufferAccess(bytes), all, {});
    const moved = Buffer.concat([noise(77, 8), bytes]);
    const two = await sketchOf(new BufferAccess(moved), { ...all, offset: 77 }, {});
    expect(two).toEqual(one);
    const { shared, compared } = compareSketches(one, two);
    expect(compared).toBeGreaterThan(200);
    expect(shared).toHaveLength(compared);
  });

  it('makes a delta of a renamed file as small as of one that kept its name', async () => {
    const old = makeTar([OTHER, { name: 'lib/one.bin', bytes: LEFT }]);
    const bytes = touched(LEFT, 30, 6);
    const kept = await makePair(old, makeTar([OTHER, { name: 'lib/one.bin', bytes }]));
    const renamed = await makePair(old, makeTar([OTHER, { name: 'share/thing', bytes }]));
    expect(renamed.delta.length).toBeLessThan(kept.delta.length + 100);
  });
});
