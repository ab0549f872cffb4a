import { mkdtemp, readFile, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { describe, expect, it } from 'vitest';

import { applyOnce } from '../../bench/fuzz/apply-once.ts';
import { assemble } from '../../bench/fuzz/delta-parts.ts';
import { engineSamples, plainSamples } from '../../bench/fuzz/delta-samples.ts';
import { execute } from '../../bench/fuzz/execute.ts';
import { readFinding, writeFinding } from '../../bench/fuzz/finding-file.ts';
import { PairKernel } from '../../bench/fuzz/kernel-pair.ts';
import { mutate } from '../../bench/fuzz/mutate.ts';
import { parseFuzzOptions } from '../../bench/fuzz/options.ts';
import { Wrong, type Execute } from '../../bench/fuzz/target.ts';
import { TARGETS } from '../../bench/fuzz/targets/all.ts';
import { DeltaError } from '../../delta/errors.ts';

const SEED = 20261128;
/** Of each target; those of the mixing coder take a hundred times as long as the others. */
const EXECUTIONS = 400;
const SLOW_EXECUTIONS = 25;
const SLOWEST_EXECUTIONS = 6;

describe('hostile input', () => {
  it.each(TARGETS.map((target) => [target.name, target] as const))(
    '%s: a coded error or the right bytes',
    async (name, target) => {
      const run = await target.open();
      const count = executionsOf(name);
      let refused = 0;
      const counted: typeof run = async (random, keep) => {
        try {
          await run(random, keep);
        } catch (error) {
          refused += 1;
          throw error;
        }
      };
      for (let number = 0; number < count; number += 1) {
        expect(await execute(counted, name, SEED, number)).toBeUndefined();
      }
      // Changes are seen, but for those of files that are coded anew.
      if (!name.startsWith('round-trip')) expect(refused).toBeGreaterThan(0);
    },
    60_000,
  );
});

function executionsOf(name: string): number {
  if (name === 'round-trip-small') return SLOWEST_EXECUTIONS;
  return name.endsWith('-small') || name.startsWith('round-trip') ? SLOW_EXECUTIONS : EXECUTIONS;
}

describe('what hostile deltas are made of', () => {
  it('is right as it is, but for pairs that do not begin where a section does', async () => {
    const kernel = await PairKernel.load();
    const samples = [
      ...plainSamples(),
      ...engineSamples(kernel, 0),
      ...engineSamples(kernel, 1),
    ] as const;
    for (const sample of samples) {
      const delta = await assemble(sample, (_part, bytes) => bytes);
      const applied = applyOnce(delta, sample.old, sample.existing);
      if (sample.existing === undefined) await applied;
      else await expect(applied).rejects.toBeInstanceOf(DeltaError);
    }
  });
});

describe('a finding', () => {
  it.each([
    ['wrong output', () => Promise.reject(new Wrong('other bytes'))],
    ['an error without a code', () => Promise.reject(new RangeError('out of bounds'))],
    [
      'a trap of the kernel',
      () => Promise.reject(new DeltaError('bad_format', 'stopped', { cause: trap() })),
    ],
    ['a second and more', work],
  ])('is %s', async (_what, run) => {
    const finding = await execute(run, 'planted', 1, 7);
    expect(finding).toMatchObject({ target: 'planted', number: 7 });
  });

  it('is no coded error', async () => {
    const refuse = () => Promise.reject(new DeltaError('bad_format', 'damaged'));
    expect(await execute(refuse, 'planted', 1, 7)).toBeUndefined();
  });
});

describe('a target with a planted fault', () => {
  /** Takes any bytes but those that end in zero. */
  const planted: Execute = (random, keep) => {
    const bytes = mutate(Buffer.from('seven bytes and more'), random);
    keep('bytes', bytes);
    if (bytes.at(-1) === 0) return Promise.reject(new Wrong('ends in zero'));
    return Promise.reject(new DeltaError('bad_format', 'damaged'));
  };
  const target = { name: 'planted', weight: 1, open: () => Promise.resolve(planted) };

  it('is reported, and its file runs the same again', async () => {
    const dir = await mkdtemp(join(tmpdir(), 'rivulet-fuzz-'));
    try {
      const findings = [];
      for (let number = 0; number < 2000; number += 1) {
        const finding = await execute(planted, target.name, SEED, number);
        if (finding !== undefined) findings.push(finding);
      }
      const [finding] = findings;
      if (finding === undefined) throw new Error('the fault was not found');
      const path = await writeFinding(join(dir, 'out'), SEED, finding);
      expect((await readFile(path.replace(/json$/, 'bytes.bin'))).at(-1)).toBe(0);

      const { seed, number } = await readFinding(path);
      expect(await execute(planted, target.name, seed, number)).toMatchObject({
        problem: expect.stringContaining('ends in zero') as string,
        isSlow: false,
        inputs: finding.inputs,
      });
      const options = await parseFuzzOptions(['--replay', path], [target]);
      expect(options).toMatchObject({ seed: SEED, only: finding.number, targets: [target] });
    } finally {
      await rm(dir, { recursive: true, force: true });
    }
  });

  it('is the only one that is known', async () => {
    await expect(parseFuzzOptions(['--target', 'planted,other'], [target])).rejects.toThrow(
      '--target other: there are planted',
    );
    await expect(parseFuzzOptions(['--seed', 'x'], [target])).rejects.toThrow('not a number');
  });
});

/** Takes the processor for more than a second. */
function work(): Promise<void> {
  const wantedUs = 1_050_000;
  const begun = process.cpuUsage();
  for (let used = process.cpuUsage(begun); used.user + used.system < wantedUs;) {
    for (let at = 0; at < 1_000_000; at += 1) Math.imul(at, at);
    used = process.cpuUsage(begun);
  }
  return Promise.resolve();
}

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
