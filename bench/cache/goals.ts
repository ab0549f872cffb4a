import type { Stampede } from './stampede.ts';
import type { WaitersResult } from './waiters.ts';
import { ofOrigin, type WarmResult } from './warm.ts';

export interface CacheResults {
  readonly stampedes: readonly Stampede[];
  readonly waiters: readonly WaitersResult[];
  readonly warm: readonly WarmResult[];
}

/** Something that was asked for of a regional cache, and what was measured of ours. */
export interface CacheGoal {
  readonly title: string;
  readonly asked: string;
  readonly measured: string;
  readonly met: boolean;
}

const EGRESS_RATIO = 1.01;
const PEAK_RSS_BYTES = 200e6;

/** What was asked for, beside what came; rates of warm blobs are compared and not judged. */
export function measureGoals({ stampedes, waiters, warm }: CacheResults): readonly CacheGoal[] {
  const goals: CacheGoal[] = [];
  const stampede = stampedes.find(({ name }) => name === 'rivulet');
  if (stampede !== undefined) goals.push(...stampedeGoals(stampede));
  const waited = waiters.find(({ name }) => name === 'rivulet');
  if (waited !== undefined) {
    goals.push({
      title: `peak memory with ${waited.waiters} waiters on one cold blob`,
      asked: `< ${PEAK_RSS_BYTES / 1e6} MB`,
      measured: `${(waited.peakRssBytes / 1e6).toFixed(0)} MB`,
      met: waited.peakRssBytes < PEAK_RSS_BYTES && waited.whole === waited.waiters,
    });
  }
  for (const result of warm) {
    const ours = result.entries.find(({ title }) => title === 'rivulet');
    const ratio = ours === undefined ? undefined : ofOrigin(result, ours);
    if (ratio === undefined) continue;
    goals.push({
      title: `serving ${result.title}, warm, by the origin's rate in the same run`,
      asked: "the origin's: 0.95x or more",
      measured: `${ratio.toFixed(2)}x`,
      met: ratio >= 0.95,
    });
  }
  return goals;
}

function stampedeGoals(stampede: Stampede): CacheGoal[] {
  const { clients, right, left, egressRatio, originRatio, alone } = stampede;
  const worst = Math.max(egressRatio, originRatio);
  return [
    {
      title: `origin egress by blob size, ${clients} clients on a cold blob, a third leaving`,
      asked: `<= ${EGRESS_RATIO}x`,
      measured: `${egressRatio.toFixed(4)}x on the way, ${originRatio.toFixed(4)}x by the origin's metric`,
      met: worst <= EGRESS_RATIO,
    },
    {
      title: 'whole copies with the right digest',
      asked: 'every one',
      measured: `${right} of ${clients - left}`,
      met: right === clients - left,
    },
    {
      title: 'the image once the origin has ended',
      asked: 'served',
      measured: `manifest ${alone.manifestStatus}, blob ${alone.blob}`,
      met: alone.manifestStatus === 200 && alone.blob === 'right',
    },
  ];
}
