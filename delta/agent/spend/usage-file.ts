import type { Digest } from '../../../storage/digest.ts';
import { readSmall, writeDurable } from '../durable.ts';
import { DeviceError } from '../errors.ts';
import { JsonReader } from '../json.ts';
import type { ClockMark } from './account-clock.ts';
import { MAX_SLICES, PERIODS, type Period, type Slice } from './slices.ts';

/** Bytes that the releases on their way have cost. */
export interface TargetSpend {
  readonly digest: Digest;
  readonly bytes: number;
}

/** What was spent on the wire: STATE.md, "usage.json". */
export interface Usage {
  readonly clock: ClockMark | undefined;
  readonly periods: Readonly<Record<Period, readonly Slice[]>>;
  /** The newest last. */
  readonly targets: readonly TargetSpend[];
}

const VERSION = 1;
const MAX_USAGE_BYTES = 65_536;
const MAX_TARGETS = 8;

export const EMPTY_USAGE: Usage = {
  clock: undefined,
  periods: { hour: [], day: [], month: [] },
  targets: [],
};

/** What was written last; empty before the first run, `state_corrupt` when it is damaged. */
export async function readUsage(path: string): Promise<Usage> {
  const bytes = await readSmall(path, MAX_USAGE_BYTES);
  if (bytes === undefined) return EMPTY_USAGE;
  const reader = JsonReader.parse(bytes, path, 'state_corrupt');
  if (reader.count('version') !== VERSION) {
    throw new DeviceError('state_corrupt', `${path} is of another version of the agent`);
  }
  const clock = reader.object('clock');
  const periods = reader.object('periods');
  const slices = (period: Period): readonly Slice[] =>
    periods.objects(period, MAX_SLICES).map((slice) => ({
      atMs: slice.count('atMs'),
      bytes: slice.count('bytes'),
    }));
  return {
    clock: {
      atMs: clock.count('atMs'),
      bootId: clock.string('bootId', 64),
      uptimeMs: clock.count('uptimeMs'),
      wallMs: clock.count('wallMs'),
      behind: clock.count('behind'),
    },
    periods: { hour: slices('hour'), day: slices('day'), month: slices('month') },
    targets: reader.objects('targets', MAX_TARGETS).map((target) => ({
      digest: target.digest('digest'),
      bytes: target.count('bytes'),
    })),
  };
}

/** Replaces the file whole, durable. */
export async function writeUsage(path: string, usage: Usage): Promise<void> {
  const targets = usage.targets.slice(-MAX_TARGETS);
  await writeDurable(path, `${JSON.stringify({ version: VERSION, ...usage, targets })}\n`);
}

/** The usage with bytes added to every period, and to a target where one is given. */
export function withTarget(usage: Usage, digest: Digest, bytes: number): Usage {
  const others = usage.targets.filter((target) => target.digest !== digest);
  return { ...usage, targets: [...others, { digest, bytes }] };
}

/** Bytes that a target has cost so far. */
export function targetBytes(usage: Usage, digest: Digest): number {
  return usage.targets.find((target) => target.digest === digest)?.bytes ?? 0;
}

/** True for each period once. */
export function mapPeriods<T>(of: (period: Period) => T): Readonly<Record<Period, T>> {
  return Object.fromEntries(PERIODS.map((period) => [period, of(period)])) as Record<Period, T>;
}
