import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import { findLosses } from './check.ts';
import { Deferrals } from './deferrals.ts';
import { checkFiles, waitForQuiet, type QuietMatrix } from './fsck.ts';
import { Ledger } from './ledger.ts';
import { Load } from './load.ts';
import { Random } from './random.ts';
import { Refusal } from './registry-client.ts';
import { Programs } from './server.ts';

export interface KillsSetting {
  /** The compiled programs. */
  readonly dist: string;
  /** An empty folder. */
  readonly dir: string;
  readonly kills: number;
  readonly seed: number;
  /** After so many it ends with the next kill. */
  readonly minutes?: number | undefined;
  readonly onProgress?: ((result: KillsProgress) => void) | undefined;
}

/** What a kill's time goes to. */
export type KillStep = 'work' | 'fsck' | 'restart' | 'compare';

export interface KillsProgress {
  readonly kills: number;
  /** Pushes, moves and deletions that were answered with yes. */
  readonly acknowledged: number;
  /** Answers that asked the client to come again. */
  readonly deferred: number;
  /** What was lost, or stood in the way, in words; must be empty. */
  readonly findings: readonly string[];
  readonly fullChecks: number;
  /** Runs of the collector. */
  readonly collections: { readonly ended: number; readonly killed: number };
  /** Milliseconds that each step took, one for each kill; the restart until the first answer. */
  readonly stepMs: Readonly<Record<KillStep, readonly number[]>>;
}

export type KillsResult = KillsProgress & QuietMatrix;

/** A full check reads every byte: so often, and at the end. */
const FULL_EVERY = 50;
/** A server dies after so many operations that were begun, at most, whatever the machine's speed. */
const MOST_WORK = 24;
const LONGEST_PAUSE_MS = 300;
const LONGEST_LIFE_MS = 20_000;
const COLLECT_EVERY = 2;
const MAX_FINDINGS = 20;

/** Kills a busy server again and again, and looks after each time at what it had promised. */
export async function runKills(setting: KillsSetting): Promise<KillsResult> {
  return new KillsRun(setting).run();
}

class KillsRun {
  readonly #setting: KillsSetting;
  readonly #data: string;
  readonly #programs: Programs;
  readonly #random: Random;
  readonly #ledger = new Ledger();
  readonly #deferrals = new Deferrals();
  readonly #findings: string[] = [];
  readonly #stepMs: Record<KillStep, number[]> = { work: [], fsck: [], restart: [], compare: [] };
  #kills = 0;
  #fullChecks = 0;

  constructor(setting: KillsSetting) {
    const { dist, dir, seed } = setting;
    this.#setting = setting;
    this.#data = join(dir, 'data');
    this.#programs = new Programs(dist, this.#data, join(dir, 'server.log'));
    this.#random = new Random(seed);
  }

  async run(): Promise<KillsResult> {
    const { kills, minutes = Infinity, onProgress } = this.#setting;
    const until = Date.now() + minutes * 60_000;
    try {
      let isLast = false;
      for (let url = await this.#programs.serve(); !isLast;) {
        await this.#timed('work', () => this.#workUntilKilled(url));
        this.#kills += 1;
        isLast = this.#kills === kills || Date.now() > until;
        const full = isLast || this.#kills % FULL_EVERY === 0;
        this.#find(await this.#timed('fsck', () => checkFiles(this.#data, !full)));
        url = await this.#restart(full);
        onProgress?.(this.#progress());
        if (this.#findings.length >= MAX_FINDINGS) break;
      }
      return { ...(await waitForQuiet(this.#data)), ...this.#progress() };
    } finally {
      await this.#programs.kill();
    }
  }

  async #workUntilKilled(url: string): Promise<void> {
    let begun = 0;
    const load = new Load({
      ledger: this.#ledger,
      random: this.#random,
      seed: String(this.#setting.seed),
      url: () => {
        begun += 1;
        return url;
      },
      onRefusal: (error) => {
        if (!(error instanceof Refusal) || error.status < 500) return;
        const isShort = error.isForNow && this.#deferrals.isShort(error.subject, Date.now());
        if (!isShort) this.#find([error.message]);
      },
    });
    const last = Date.now() + LONGEST_LIFE_MS;
    for (const most = this.#random.below(MOST_WORK); begun <= most && Date.now() < last;) {
      await sleep(5);
    }
    await sleep(this.#random.below(LONGEST_PAUSE_MS));
    const killed = this.#programs.kill();
    await load.stop();
    this.#find(await killed);
  }

  /**
   * Starts the server and compares what it has with what it promised; every other time with a collector
   * from the beginning, which mostly comes to its end, or from the end, which mostly is killed.
   */
  async #restart(full: boolean): Promise<string> {
    const collects = this.#kills % COLLECT_EVERY === 0;
    const early = this.#random.below(2) === 0;
    if (collects && early) this.#programs.collect();
    const url = await this.#timed('restart', () => this.#programs.serve());
    const which = full ? 'all' : 'recent';
    this.#find(await this.#timed('compare', () => findLosses(url, this.#ledger, which)));
    if (full) {
      this.#ledger.settle();
      this.#fullChecks += 1;
    }
    if (collects && !early) this.#programs.collect();
    return url;
  }

  async #timed<T>(step: KillStep, work: () => Promise<T>): Promise<T> {
    const before = performance.now();
    const result = await work();
    this.#stepMs[step].push(performance.now() - before);
    return result;
  }

  #find(what: readonly string[]): void {
    this.#findings.push(...what.map((one) => `kill ${this.#kills}: ${one}`));
  }

  #progress(): KillsProgress {
    return {
      ...{
        kills: this.#kills,
        acknowledged: this.#ledger.acknowledged,
        deferred: this.#deferrals.count,
      },
      ...{ findings: this.#findings, fullChecks: this.#fullChecks },
      ...{ collections: this.#programs.collections, stepMs: this.#stepMs },
    };
  }
}
