import fc from 'fast-check';
import { beforeAll, describe, expect, it } from 'vitest';

import { checksumOf } from '../../../../delta/ostree/objects/checksum.ts';
import { formatSuperblock } from '../../../../delta/ostree/static-delta/format-superblock.ts';
import { parseSuperblock } from '../../../../delta/ostree/static-delta/parse-superblock.ts';
import { Spool } from '../../../../delta/ostree/static-delta/spool.ts';
import { unpackPart } from '../../../../delta/ostree/static-delta/unpack-part.ts';
import { noise, prose } from '../../support.ts';
import { codeOf } from '../code-of.ts';
import { MemoryRepo, SYMLINK, type MemoryCommit } from './memory-repo.ts';
import { apply, build, newObjects, type MemoryDelta } from './round-trip.ts';

describe('a mutated delta', () => {
  const repo = new MemoryRepo();
  const program = noise(9000, 1);
  const edited = Buffer.from(program.map((byte, i) => (i % 60 === 0 ? byte ^ 1 : byte)));
  let from: MemoryCommit;
  let to: MemoryCommit;
  let delta: MemoryDelta;
  let payload: Buffer;

  beforeAll(async () => {
    from = repo.commit({ '/p': { content: program }, '/q': { content: noise(5000, 2) } });
    to = repo.commit({
      '/p': { content: edited },
      '/q': { content: noise(5000, 2), uid: 7 },
      '/r': { content: Buffer.concat([noise(5000, 2), prose(500, 3), program]) },
      '/s': { content: Buffer.from('p'), mode: SYMLINK },
      '/t': { content: prose(300, 4) },
    });
    delta = await build(repo, from, to);
    const spool = new Spool('/nonexistent');
    const [part] = parseSuperblock(delta.superblock).parts;
    const [file] = delta.parts;
    if (part === undefined || file === undefined) throw new Error('no part');
    await unpackPart([file], part, spool, { what: 'part 0' });
    payload = Buffer.from(await spool.slice(0, spool.size).read(0, spool.size));
  });

  /** The delta around another payload, which is not compressed; all digests are right. */
  function around(broken: Buffer): Pick<MemoryDelta, 'superblock' | 'parts'> {
    const file = Buffer.concat([Buffer.of(0), broken]);
    const superblock = parseSuperblock(delta.superblock);
    const parts = superblock.parts.map((part) => ({
      ...part,
      checksum: checksumOf(file),
      size: file.length,
    }));
    return { superblock: formatSuperblock({ ...superblock, parts }), parts: [file] };
  }

  /** Whatever was done to it: a coded error, or the right objects. */
  async function attempt(broken: Pick<MemoryDelta, 'superblock' | 'parts'>): Promise<string> {
    try {
      const sink = await apply(repo, from, broken);
      expect(sink.objects.toSorted()).toEqual(newObjects(from, to).toSorted());
      return 'right';
    } catch (error) {
      if (error instanceof Error && error.message.startsWith('the base has no ')) return 'base';
      return codeOf(error);
    }
  }

  it('with its payload as it was makes everything', async () => {
    expect(await attempt(around(payload))).toBe('right');
  });

  it('with any byte of its payload flipped ends with a coded error', async () => {
    const codes = new Set<string>();
    for (let at = 0; at < payload.length; at += at < payload.length - 400 ? 61 : 1) {
      for (const mask of [0x01, 0x80]) {
        const broken = Buffer.from(payload);
        broken[at] = (broken[at] ?? 0) ^ mask;
        codes.add(await attempt(around(broken)));
      }
    }
    expect([...codes].sort()).toEqual(['bad_format', 'base', 'output_mismatch']);
  });

  it('with its payload cut, doubled and shuffled ends in the same way', async () => {
    const cuts = fc.tuple(fc.double({ min: 0, max: 1, noNaN: true }), fc.nat(40), fc.uint8Array());
    await fc.assert(
      fc.asyncProperty(cuts, async ([share, length, more]) => {
        const at = Math.floor(share * payload.length);
        const broken = Buffer.concat([
          payload.subarray(0, at),
          more,
          payload.subarray(Math.min(at + length, payload.length)),
        ]);
        await attempt(around(broken));
      }),
      { numRuns: 300 },
    );
  });

  it('with any byte of its part file or its superblock flipped ends in the same way', async () => {
    const [file] = delta.parts;
    if (file === undefined) throw new Error('no part');
    for (let at = 0; at < file.length; at += 37) {
      const broken = Buffer.from(file);
      broken[at] = (broken[at] ?? 0) ^ 0x10;
      expect(await attempt({ ...delta, parts: [broken] })).not.toBe('right');
    }
    for (let at = 0; at < delta.superblock.length; at += 1) {
      const superblock = Buffer.from(delta.superblock);
      superblock[at] = (superblock[at] ?? 0) ^ 0x10;
      await attempt({ ...delta, superblock });
    }
  });
});
