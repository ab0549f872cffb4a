import { PairKernel, type CodedPair, type Streams } from '../kernel-pair.ts';
import { mutate, overwrite } from '../mutate.ts';
import { nextVersion, samplePrograms } from '../programs.ts';
import { Random } from '../random.ts';
import { Wrong, type Target } from '../target.ts';

const PROFILES = { small: 0, fast: 1 } as const;
type Profile = keyof typeof PROFILES;

interface Sample {
  readonly old: Buffer;
  readonly fresh: Buffer;
  readonly pair: CodedPair;
}

/** Coded streams of a pair, changed: the first of control, or one of a section after right control. */
export function streamsTarget(
  what: 'control' | 'section',
  profile: Profile,
  weight: number,
): Target {
  return {
    name: `${what}-${profile}`,
    weight,
    open: async () => {
      const kernel = await PairKernel.load();
      const samples = encodeSamples(kernel, profile);
      return (random) => {
        const { old, pair } = random.pick(samples);
        const hostile =
          what === 'control'
            ? { ...pair, control: withOne(pair.control, random) }
            : { ...pair, sections: pair.sections.map((streams) => withOne(streams, random)) };
        checkLength(kernel.decode(old, hostile), pair.newBytes);
        return Promise.resolve();
      };
    },
  };
}

/** Right streams over an old file whose headers, tables and code are changed: what the scanners meet. */
export function oldBytesTarget(profile: Profile, weight: number): Target {
  return {
    name: `scanners-${profile}`,
    weight,
    open: async () => {
      const kernel = await PairKernel.load();
      const samples = encodeSamples(kernel, profile);
      return (random) => {
        const { old, pair } = random.pick(samples);
        checkLength(kernel.decode(overwrite(old, random), pair), pair.newBytes);
        return Promise.resolve();
      };
    },
  };
}

/** Hostile old and new files: what is encoded decodes to the same bytes. */
export function roundTripTarget(profile: Profile, weight: number): Target {
  return {
    name: `round-trip-${profile}`,
    weight,
    open: async () => {
      const kernel = await PairKernel.load();
      const samples = encodeSamples(kernel, profile);
      return (random) => {
        const sample = random.pick(samples);
        const old =
          random.below(2) === 0 ? overwrite(sample.old, random) : mutate(sample.old, random);
        const fresh = mutate(sample.fresh, random);
        const pair = kernel.encode(PROFILES[profile], old, fresh);
        if (!kernel.decode(old, pair).equals(fresh))
          throw new Wrong('other bytes than were encoded');
        return Promise.resolve();
      };
    },
  };
}

function encodeSamples(kernel: PairKernel, profile: Profile): readonly Sample[] {
  const random = new Random('samples');
  const text = Buffer.from(random.bytes(2000).toString('base64'));
  const pairs = [
    ...samplePrograms().map((program) => [program.bytes, nextVersion(program, random)] as const),
    [text, Buffer.concat([text.subarray(900), text.subarray(0, 1000)])] as const,
  ];
  return pairs.map(([old, fresh]) => ({
    old,
    fresh,
    pair: kernel.encode(PROFILES[profile], old, fresh),
  }));
}

function withOne(streams: Streams, random: Random): Streams {
  const victim = random.below(streams.length);
  return streams.map((bytes, n) => (n === victim ? mutate(bytes, random) : bytes));
}

function checkLength({ length }: Buffer, expected: number): void {
  if (length !== expected) throw new Wrong(`${length} bytes, not ${expected}`);
}
