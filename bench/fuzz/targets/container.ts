import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { buildFileDelta } from '../../../delta/files.ts';
import { inspectDelta } from '../../../delta/inspect.ts';
import { BufferAccess } from '../../../storage/random-access.ts';
import { makeScratch } from '../../scratch.ts';
import { applyOnce } from '../apply-once.ts';
import { assemble } from '../delta-parts.ts';
import { plainSamples } from '../delta-samples.ts';
import { mutate } from '../mutate.ts';
import { Random } from '../random.ts';
import type { Target } from '../target.ts';

interface Sample {
  readonly old: Buffer;
  readonly delta: Buffer;
}

/** Deltas with changed bytes anywhere, as built and of every kind and version. */
export function containerTarget(weight: number): Target {
  return {
    name: 'container',
    weight,
    open: async () => {
      const samples = await makeSamples();
      return async (random, keep) => {
        const { old, delta } = random.pick(samples);
        const hostile = mutate(delta, random);
        keep('delta', hostile);
        keep('old', old);
        if (random.below(8) === 0) await inspectDelta(new BufferAccess(hostile));
        else await applyOnce(hostile, old, undefined);
      };
    },
  };
}

/** Those that the engine has no part in, for they are many more executions; one is a whole output. */
async function makeSamples(): Promise<readonly Sample[]> {
  const random = new Random('container');
  const old = Buffer.from(random.bytes(3000).toString('hex'));
  const fresh = Buffer.from(old);
  for (let left = 40; left > 0; left -= 1) fresh[random.below(fresh.length)] = random.next() & 0xff;
  fresh.copyWithin(900, 4000, 5000);
  const other = Buffer.from(random.bytes(3000).toString('base64'));
  const handmade = plainSamples().map(async (parts) => ({
    old: parts.old,
    delta: await assemble(parts, (_part, bytes) => bytes),
  }));
  return [
    await build(old, fresh, 'fast'),
    await build(old, fresh, 'small'),
    await build(old, other, 'fast'),
    ...(await Promise.all(handmade)),
  ];
}

async function build(old: Buffer, fresh: Buffer, profile: 'fast' | 'small'): Promise<Sample> {
  const { path: folder, remove } = await makeScratch('fuzz');
  try {
    const paths = { old: join(folder, 'old'), new: join(folder, 'new') };
    await writeFile(paths.old, old);
    await writeFile(paths.new, fresh);
    const output = join(folder, 'delta');
    await buildFileDelta({ ...paths, output, scratch: folder, profile, withoutEngine: true });
    return { old, delta: await readFile(output) };
  } finally {
    await remove();
  }
}
