import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { openStore } from '../../server/open-store.ts';
import { checkStore } from '../../storage/fsck/check.ts';
import { findLosses } from './check.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { Random } from './random.ts';
import { Programs } from './server.ts';

export interface KillsSetting {
  /** The compiled programs. */
  readonly dist: string;
  /** An empty folder. */
  readonly dir: string;
  readonly kills: number;
  readonly seed: number;
  readonly onProgress?: ((result: KillsResult) => void) | undefined;
}

export interface KillsResult {
  readonly kills: number;
  /** Pushes, moves and deletions that were answered with yes. */
  readonly acknowledged: number;
  /** What was lost, or stood in the way, in words; must be empty. */
  readonly findings: readonly string[];
  /** Rows under way that no builder ended once everything was quiet. */
  readonly stuck: number;
  /** Deltas of images that were published at the end. */
  readonly deltas: number;
  /** Milliseconds from start to the first answer, one for each restart. */
  readonly restartMs: readonly number[];
  readonly fullChecks: number;
}

/** A full check reads every byte: so often, and at the end. */
const FULL_EVERY = 50;
/** A server dies after so many operations that were begun, at most, whatever the machine's speed. */
const MOST_WORK = 24;
const LONGEST_PAUSE_MS = 300;
const LONGEST_LIFE_MS = 20_000;
const COLLECT_EVERY = 2;
const QUIET_MS = 180_000;
const MAX_FINDINGS = 20;

/** Kills a busy server again and again, and looks after each time at what it had promised. */
export async function runKills(setting: KillsSetting): Promise<KillsResult> {
  const { dist, dir, kills, seed } = setting;
  const data = join(dir, 'data');
  const random = new Random(seed);
  const ledger = new Ledger();
  const programs = new Programs(dist, data, join(dir, 'server.log'));
  const findings: string[] = [];
  const restartMs: number[] = [];
  let [fullChecks, done, stuck, deltas] = [0, 0, 0, 0];
  const result = (): KillsResult => ({
    ...{ kills: done, acknowledged: ledger.acknowledged, findings, stuck, deltas },
    ...{ restartMs, fullChecks },
  });
  const start = async (): Promise<string> => {
    const before = performance.now();
    const url = await programs.serve();
    restartMs.push(performance.now() - before);
    return url;
  };
  try {
    for (; done < kills && findings.length < MAX_FINDINGS;) {
      const url = await start();
      findings.push(...(await findLosses(url, ledger)).map((what) => `kill ${done}: ${what}`));
      let begun = 0;
      const address = (): string => {
        begun += 1;
        return url;
      };
      const load = new Load({
        ...{ url: address, ledger, random, seed: String(seed) },
        onRefusal: () => undefined,
      });
      if (done % COLLECT_EVERY === 0) programs.collect();
      const last = Date.now() + LONGEST_LIFE_MS;
      for (const most = random.below(MOST_WORK); begun <= most && Date.now() < last;) {
        await sleep(5);
      }
      await sleep(random.below(LONGEST_PAUSE_MS));
      const killed = programs.kill();
      await Promise.all([killed, load.stop()]);
      done += 1;
      const full = done % FULL_EVERY === 0 || done === kills;
      if (full) fullChecks += 1;
      findings.push(...(await checkFiles(data, !full)).map((what) => `kill ${done}: ${what}`));
      setting.onProgress?.(result());
    }
    const url = await start();
    findings.push(...(await findLosses(url, ledger)).map((what) => `at the end: ${what}`));
    ({ stuck, deltas } = await waitForQuiet(data));
  } finally {
    await programs.kill();
  }
  return result();
}

/** What fsck finds, beside the killed programs' remains. */
async function checkFiles(data: string, quick: boolean): Promise<readonly string[]> {
  const store = await openStore({ data, store: { kind: 'fs' } });
  try {
    const { blobs, catalog } = store;
    const { faults, absent } = await checkStore({ objects: blobs.objects, catalog, quick });
    return [
      ...faults.map(({ kind, subject, affects }) => `fsck: ${kind} ${subject}: ${affects}`),
      ...absent.map(({ digest, affects }) => `fsck: absent ${digest}: ${affects}`),
    ];
  } finally {
    await store.close();
  }
}

/** Waits until builders have nothing more to do; what they have not ended by then is stuck. */
async function waitForQuiet(
  data: string,
): Promise<{ readonly stuck: number; readonly deltas: number }> {
  const store = await openStore({ data, store: { kind: 'fs' } });
  try {
    const until = Date.now() + QUIET_MS;
    for (;;) {
      const layers = await store.catalog.layers.counts();
      const rows = await store.catalog.deltas.counts();
      const stuck = layers.pending + layers.chunking + rows.pending + rows.building + rows.proving;
      if (stuck === 0 || Date.now() > until) return { stuck, deltas: rows.published };
      await sleep(200);
    }
  } finally {
    await store.close();
  }
}
