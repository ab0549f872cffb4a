import { describe, expect, it } from 'vitest';

import { execute } from '../../bench/fuzz/execute.ts';
import { Wrong } from '../../bench/fuzz/target.ts';
import { TARGETS } from '../../bench/fuzz/targets/all.ts';
import { DeltaError } from '../../delta/errors.ts';

const SEED = 20261128;
/** Of each target; those of the mixing coder take a hundred times as long as the others. */
const EXECUTIONS = 400;
const SLOW_EXECUTIONS = 25;

describe('hostile input', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))(
    '%s: a coded error or the right bytes',
    async (name, target) => {
      const run = await target.open();
      const count = name.endsWith('-small') ? SLOW_EXECUTIONS : EXECUTIONS;
      let refused = 0;
      const counted: typeof run = async (random) => {
        try {
          await run(random);
        } catch (error) {
          refused += 1;
          throw error;
        }
      };
      for (let number = 0; number < count; number += 1) {
        expect(await execute(counted, name, SEED, number)).toBeUndefined();
      }
      // Most changes are seen, but for those of files that are coded anew.
      if (!name.startsWith('round-trip')) expect(refused).toBeGreaterThan(0);
    },
    60_000,
  );
});

describe('a finding', () => {
  it.each([
    ['wrong output', () => Promise.reject(new Wrong('other bytes'))],
    ['an error without a code', () => Promise.reject(new RangeError('out of bounds'))],
    [
      'a trap of the kernel',
      () => Promise.reject(new DeltaError('bad_format', 'stopped', { cause: trap() })),
    ],
    ['a second and more', () => new Promise<void>((resolve) => setTimeout(resolve, 1100))],
  ])('is %s', async (_what, run) => {
    const finding = await execute(run, 'planted', 1, 7);
    expect(finding).toMatchObject({ target: 'planted', number: 7 });
  });

  it('is no coded error', async () => {
    const refuse = () => Promise.reject(new DeltaError('bad_format', 'damaged'));
    expect(await execute(refuse, 'planted', 1, 7)).toBeUndefined();
  });
});

/** What an instruction of WebAssembly throws that may not run. */
function trap(): unknown {
  // (module (func (export "trap") unreachable))
  const bytes = Buffer.from(
    '0061736d0100000001040160000003020100070801047472617000000a05010300000b',
    'hex',
  );
  const { exports } = new WebAssembly.Instance(new WebAssembly.Module(bytes));
  try {
    if (typeof exports['trap'] === 'function') exports['trap']();
  } catch (error) {
    return error;
  }
  throw new Error('no trap');
}
