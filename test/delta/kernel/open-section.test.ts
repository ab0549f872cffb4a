import { beforeAll, describe, expect, it } from 'vitest';

import { PairKernel, type CodedPair } from '../../../bench/fuzz/kernel-pair.ts';
import { nextVersion, samplePrograms } from '../../../bench/fuzz/programs.ts';
import { Random } from '../../../bench/fuzz/random.ts';

const SMALL = 0;

describe('a section', () => {
  let kernel: PairKernel;
  let old: Buffer;
  let fresh: Buffer;
  let pair: CodedPair;

  beforeAll(async () => {
    const [program] = samplePrograms();
    if (program === undefined) throw new Error('no program');
    kernel = await PairKernel.load();
    old = program.bytes;
    fresh = nextVersion(program, new Random('open-section'));
    pair = kernel.encode(SMALL, old, fresh);
  });

  it('is opened where one begins', () => {
    expect(kernel.decode(old, pair).equals(fresh)).toBe(true);
  });

  // A place inside .eh_frame, which a model of its own makes, once never ended.
  it.each([1, 0x1000, 37_450, 45_001])('is refused at byte %i, where none begins', (from) => {
    expect(from).toBeLessThan(fresh.length);
    expect(() => kernel.decode(old, pair, from)).toThrow('the coded bytes of a pair are damaged');
  });
});
