import { PairKernel, type CodedPair, type Streams } from '../kernel-pair.ts';
import { mutate, overwriteArea } from '../mutate.ts';
import { nextVersion, samplePrograms } from '../programs.ts';
import { Random } from '../random.ts';
import { Wrong, type Keep, type Target } from '../target.ts';

const PROFILES = { small: 0, fast: 1 } as const;
type Profile = keyof typeof PROFILES;

interface Sample {
  readonly old: Buffer;
  readonly fresh: Buffer;
  /** Where parts of both files begin. */
  readonly areas: readonly number[];
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
      return (random, keep) => {
        const { old, pair } = random.pick(samples);
        const isLie = random.below(8) === 0;
        const newBytes = isLie && what === 'control' ? otherSize(pair, random) : pair.newBytes;
        const from = isLie && what === 'section' ? random.below(newBytes) : 0;
        const hostile =
          what === 'control'
            ? { ...pair, newBytes, control: withOne(pair.control, random) }
            : { ...pair, sections: pair.sections.map((streams) => withOne(streams, random)) };
        keep('old', old);
        keep('numbers', Buffer.from(`${newBytes} new bytes, section from ${from}`));
        keepStreams(keep, hostile);
        const made = kernel.decode(old, hostile, from);
        if (!isLie) checkLength(made, newBytes);
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
      return (random, keep) => {
        const { old, areas, pair } = random.pick(samples);
        const hostile = overwriteArea(old, areas, random);
        keep('old', hostile);
        keepStreams(keep, pair);
        checkLength(kernel.decode(hostile, pair), pair.newBytes);
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
      return (random, keep) => {
        const sample = random.pick(samples);
        const change = (bytes: Buffer): Buffer =>
          random.below(4) === 0
            ? mutate(bytes, random)
            : overwriteArea(bytes, sample.areas, random);
        // No longer than they were: the time follows from the length.
        const old = change(sample.old).subarray(0, sample.old.length);
        const fresh = (random.below(4) === 0 ? change(old) : change(sample.fresh)).subarray(
          0,
          sample.fresh.length,
        );
        keep('old', old);
        keep('new', fresh);
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
    ...samplePrograms().map((program) => ({
      ...{ old: program.bytes, fresh: nextVersion(program, random), areas: program.areas },
    })),
    { old: text, fresh: Buffer.concat([text.subarray(900), text.subarray(0, 1000)]), areas: [0] },
  ];
  return pairs.map((pair) => ({
    ...pair,
    pair: kernel.encode(PROFILES[profile], pair.old, pair.fresh),
  }));
}

function withOne(streams: Streams, random: Random): Streams {
  const victim = random.below(streams.length);
  return streams.map((bytes, n) => (n === victim ? mutate(bytes, random) : bytes));
}

function otherSize({ newBytes }: CodedPair, random: Random): number {
  return random.pick([1, newBytes - 1, newBytes + 1, newBytes * 2, 1 << 20, 1 << 30]);
}

function keepStreams(keep: Keep, { control, sections }: CodedPair): void {
  for (const [n, bytes] of control.entries()) keep(`control-${n}`, bytes);
  for (const [n, bytes] of sections.flat().entries()) keep(`section-${n}`, bytes);
}

function checkLength({ length }: Buffer, expected: number): void {
  if (length !== expected) throw new Wrong(`${length} bytes, not ${expected}`);
}
