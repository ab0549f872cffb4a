import { machineZone, parseWindow, type InstallWindow } from '../delta/agent/window.ts';
import type { CacheConfig, MirrorConfig, MirrorRule } from './config.ts';

/** What a cache fetches ahead, and when. */
export interface MirrorPolicy {
  readonly rules: readonly MirrorRule[];
  /**
   * True: a release is taken up only once a device that runs an older one was seen; false: what the
   * rules name is there before the first one comes.
   */
  readonly liveOnly: boolean;
  /** Undefined: always open. */
  readonly window: InstallWindow | undefined;
  /** Bytes per second; 0: no limit. */
  readonly maxBps: number;
  /** Of the cache's budget: 0 to 1. */
  readonly budget: number;
}

/** What `mirror: true` means: deltas of live pairs, whatever they are of. */
const EVERYTHING_LIVE: MirrorRule = {
  repositories: '**',
  tags: '**',
  what: ['deltas'],
  fromScratch: false,
};
const DEFAULTS: MirrorConfig = { zone: '', maxBps: 0, budget: 0.5 };

/** The policy of a checked configuration; undefined: nothing is fetched ahead. */
export function mirrorPolicy({ mirror }: Pick<CacheConfig, 'mirror'>): MirrorPolicy | undefined {
  if (mirror === false) return undefined;
  const { rules, windows, zone, maxBps, budget } = settingsOf(mirror);
  return {
    rules: rules ?? [EVERYTHING_LIVE],
    liveOnly: rules === undefined,
    window: windows === undefined ? undefined : parseWindow(windows, zone || machineZone()),
    maxBps,
    budget,
  };
}

/** What the schema does not see in the windows. */
export function mirrorFaults(config: Pick<CacheConfig, 'mirror'>): readonly string[] {
  try {
    mirrorPolicy(config);
    return [];
  } catch (error) {
    return [`mirror.windows and mirror.zone: ${error instanceof Error ? error.message : ''}`];
  }
}

function settingsOf(mirror: Exclude<CacheConfig['mirror'], false>): MirrorConfig {
  if (mirror === true) return DEFAULTS;
  return isRules(mirror) ? { ...DEFAULTS, rules: mirror } : mirror;
}

function isRules(mirror: MirrorConfig | readonly MirrorRule[]): mirror is readonly MirrorRule[] {
  return Array.isArray(mirror);
}
