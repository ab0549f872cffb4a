import { describe, expect, it } from 'vitest';

import { formatHeader } from '../../delta/format/header.ts';
import { EFFORTS } from '../../delta/format/stream.ts';
import { inspectDelta } from '../../delta/inspect.ts';
import { digestOf } from '../../storage/digest.ts';
import { BufferAccess } from '../../storage/random-access.ts';
import { compressFrame } from '../../storage/zstd.ts';
import { attempt, mutated, type Sample } from './attempts.ts';
import { noise, prose, random } from './support.ts';

describe('an output that follows as a whole', () => {
  const whole = async (bytes: Buffer): Promise<{ sample: Sample; begin: Buffer }> => {
    const old = Buffer.from('old');
    const [base, output] = [old, bytes].map((file) => ({
      diffId: digestOf(file),
      size: file.length,
    }));
    if (base === undefined || output === undefined) throw new Error('two files');
    const begin = await formatHeader(
      {
        ...{ version: 2, kind: 'file', ramBytes: 0, framesBytes: 0, isWhole: true },
        ...{ base: [base], outputs: [{ ...output, reuse: false }] },
      },
      EFFORTS.fast,
    );
    const delta = Buffer.concat([begin, await compressFrame(bytes, 19)]);
    return { sample: { old, fresh: bytes, delta }, begin };
  };

  it('is made, and inspected as one part', async () => {
    const { sample } = await whole(prose(9000, 1));
    expect(await attempt(sample, sample.delta)).toBe('right');
    const summary = await inspectDelta(new BufferAccess(sample.delta));
    expect(summary.outputs[0]?.sections).toMatchObject([{ codec: 'zstd', rawBytes: 9000 }]);
  });

  it('is refused when it is longer, shorter, damaged or no zstd', async () => {
    const { sample, begin } = await whole(prose(9000, 1));
    const other = async (length: number): Promise<Buffer> =>
      Buffer.concat([begin, await compressFrame(prose(length, 1), 3)]);
    expect(await attempt(sample, await other(9001))).toBe('bad_format');
    expect(await attempt(sample, await other(8999))).toBe('output_mismatch');
    expect(await attempt(sample, Buffer.concat([begin, noise(500, 1)]))).toBe('corrupt');
    const next = random(20260104);
    for (let n = 0; n < 300; n += 1) {
      const outcome = await attempt(sample, mutated(sample.delta, next));
      expect([
        'right',
        'bad_format',
        'output_mismatch',
        'corrupt',
        'too_large',
        'unsupported_version',
        'wrong_base',
      ]).toContain(outcome);
    }
  });
});
