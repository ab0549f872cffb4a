import { applyOnce } from '../apply-once.ts';
import { assemble, type DeltaParts, type PartName } from '../delta-parts.ts';
import { engineSamples, plainSamples } from '../delta-samples.ts';
import { PairKernel } from '../kernel-pair.ts';
import { mutate } from '../mutate.ts';
import type { Random } from '../random.ts';
import type { Target } from '../target.ts';
import { mutateNumbers } from '../varints.ts';

/** Changed header fields, image documents, frame heads and instructions, each behind right digests. */
export function partsTarget(weight: number): Target {
  return {
    name: 'delta-parts',
    weight,
    open: () => {
      const samples = plainSamples();
      const parts = ['header', 'head', 'ops', 'sources', 'diffs', 'gaps', 'literals'] as const;
      const documents = ['header', 'config', 'manifest'] as const;
      return Promise.resolve(async (random, keep) => {
        const sample = random.pick(samples);
        const isImage = sample.header.image !== undefined && random.below(2) === 0;
        const victim = random.pick<PartName>(isImage ? documents : parts);
        const delta = await assembleWith(sample, victim, random);
        const existing = random.below(4) === 0 ? leftOver(sample.fresh, random) : undefined;
        keep('delta', delta);
        if (existing !== undefined) keep('existing', existing);
        await applyOnce(delta, sample.old, existing);
      });
    },
  };
}

/** Changed records and sets of pairs in frames that the engine makes. */
export function pairsTarget(profile: 'small' | 'fast', weight: number): Target {
  return {
    name: `pairs-${profile}`,
    weight,
    open: async () => {
      const samples = engineSamples(await PairKernel.load(), profile === 'small' ? 0 : 1);
      const parts = ['head', 'ops', 'pairs', 'model'] as const;
      return async (random, keep) => {
        const sample = random.pick(samples);
        const delta = await assembleWith(sample, random.pick(parts), random);
        keep('delta', delta);
        await applyOnce(delta, sample.old, sample.existing);
      };
    },
  };
}

/** Numbers of a record and of the heads of its set. */
const RECORD_NUMBERS = 8;

/** Changes the part wherever it is, or leaves out some: later frames shall be reached, too. */
async function assembleWith(sample: DeltaParts, victim: PartName, random: Random): Promise<Buffer> {
  return assemble(sample, (part, bytes) => {
    if (part !== victim || (sample.frames.length > 1 && random.below(3) === 0)) return bytes;
    const isText = part === 'config' || part === 'manifest';
    if (isText || random.below(2) === 0) return mutate(bytes, random);
    const count = part === 'pairs' || part === 'model' ? RECORD_NUMBERS : Infinity;
    return mutateNumbers(bytes, random, count);
  });
}

/** What an interrupted apply could have left, or something else. */
function leftOver(fresh: Buffer, random: Random): Buffer {
  const cut = fresh.subarray(0, random.below(fresh.length + 1));
  return random.below(2) === 0 ? cut : mutate(cut, random);
}
