import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';

import type { Random } from '../fuzz/random.ts';
import { startAgent, type AgentEnd, type AgentRun } from './agent-run.ts';
import { heldBytes } from './held-bytes.ts';
import {
  drawInterruption,
  type Interruption,
  type Kind,
  type LegCost,
  type Moment,
} from './interruptions.ts';
import { DeviceLink } from './link/device-link.ts';
import type { Finding, Tally } from './tally.ts';
import { wholeRelease } from './whole-release.ts';
import type { Leg, World } from './world.ts';

/** So many interruptions at most before a leg is let go to its end. */
const MOST_PER_LEG = 9;
/** Runs that nothing disturbs and that have to reach the target. */
const CLEAN_RUNS = 4;
/** Links as devices have them, and loopback: bytes per second. */
const RATES = [500_000, 2_000_000, 4_000_000] as const;
const FULL_RATE = 4_000_000;

export interface LoopOptions {
  readonly world: World;
  readonly dist: string;
  /** A folder of the device's own. */
  readonly dir: string;
  readonly number: number;
  readonly random: Random;
  readonly tally: Tally;
  readonly readBlob: (digest: string) => Promise<Buffer>;
  /** Where folders of findings are kept. */
  readonly keep: string;
}

/** One device that goes from release to release and is interrupted on the way. */
export class DeviceLoop {
  readonly #options: LoopOptions;
  readonly #link: DeviceLink;
  readonly #id: string;
  readonly #data: string;
  /** What struck last on the way to the present target. */
  #last: Kind | 'nothing' = 'nothing';

  constructor(options: LoopOptions) {
    this.#options = options;
    this.#id = `bench-${options.number}`;
    this.#data = join(options.dir, 'data');
    this.#link = new DeviceLink(() => heldBytes(this.#data, options.readBlob));
    options.world.join(this.#id, this.#link);
  }

  /** Goes every leg once, undisturbed: what each costs. */
  async measure(): Promise<readonly LegCost[]> {
    const costs: LegCost[] = [];
    for (const leg of this.#options.world.legs) {
      await this.#begin(leg);
      const steps = Number.MAX_SAFE_INTEGER;
      const end = await this.#run(leg, { kind: 'power cut', step: steps, seed: '' });
      const found = await wholeRelease(this.#data);
      if (end.outcome !== 'updated' || found !== leg.to.image.manifest.digest) {
        throw new Error(`an undisturbed update to ${leg.to.name} failed: ${end.stderr}`);
      }
      costs.push({ bytes: this.#link.run.bytes, ms: end.ms, steps: end.disk?.steps ?? 0 });
    }
    return costs;
  }

  /** Goes on while `more` says so; ends at the end of a leg. */
  async go(costs: readonly LegCost[], more: () => boolean): Promise<void> {
    while (more()) {
      for (const [n, leg] of this.#options.world.legs.entries()) {
        const cost = costs[n];
        if (cost === undefined || !more()) return;
        if (!(await this.#goLeg(leg, cost, more))) return;
      }
    }
  }

  /** False when the device is lost: it does not go on. */
  async #goLeg(leg: Leg, cost: LegCost, more: () => boolean): Promise<boolean> {
    const { random, tally } = this.#options;
    await this.#begin(leg);
    const target = leg.to.image.manifest.digest;
    let last: Interruption | undefined;
    for (let n = 0; n < MOST_PER_LEG && more() && random.below(MOST_PER_LEG) > 0; n += 1) {
      const interruption = drawInterruption(random, cost);
      const end = await this.#run(leg, interruption);
      const struck = this.#struck(interruption, end);
      tally.add(this.#cause(interruption, struck), this.#link.run);
      if (struck) {
        tally.cycles[interruption.kind] += 1;
        last = interruption;
        // Runs that were stripped are counted apart: what follows them has no part in that.
        if (interruption.kind !== 'stripped Range') this.#last = interruption.kind;
      }
      const fault = await this.#fault(leg);
      if (fault !== undefined) return this.#lost('wrong release', leg, interruption, fault);
      if (end.outcome === 'updated') break;
    }
    const words = await this.#finish(leg, target);
    if (words !== undefined) return this.#lost('stuck', leg, last, words);
    tally.legs += 1;
    tally.undisturbedBytes += cost.bytes;
    return true;
  }

  async #begin(leg: Leg): Promise<void> {
    await mkdir(this.#data, { recursive: true });
    if (leg.from === undefined) {
      for (const name of await readdir(this.#data)) {
        await rm(join(this.#data, name), { recursive: true });
      }
    }
    this.#link.beginLeg();
    this.#last = 'nothing';
  }

  /** What a run's bytes are counted under: what it went on after, or what it lived through. */
  #cause({ kind }: Interruption, struck: boolean): Kind | 'nothing' {
    const livedThrough = struck && kind !== 'kill' && kind !== 'power cut';
    return livedThrough ? kind : this.#last;
  }

  /** Lets the device reach its target undisturbed; else what it last said. */
  async #finish(leg: Leg, target: string): Promise<string | undefined> {
    const { tally, world } = this.#options;
    let words = '';
    for (let n = 0; n < CLEAN_RUNS; n += 1) {
      await Promise.all([world.cache.up(), world.origin.up()]);
      const end = await this.#run(leg, undefined);
      tally.add(this.#last, this.#link.run);
      const fault = await this.#fault(leg);
      if (fault !== undefined) return fault;
      if (end.outcome === 'up_to_date' && (await wholeRelease(this.#data)) === target) {
        return undefined;
      }
      words = `${end.outcome ?? 'no outcome'} ${end.reason ?? ''}: ${end.stderr}`;
      // A server that another device's interruption has killed may be on its way back.
      if (end.outcome !== 'updated') await sleep(300);
    }
    return words;
  }

  async #run(leg: Leg, interruption: Interruption | undefined): Promise<AgentEnd> {
    const { world, dist, dir, random, tally } = this.#options;
    const fault =
      interruption !== undefined && 'fault' in interruption ? interruption.fault : undefined;
    this.#link.beginRun(fault);
    this.#link.rate = interruption === undefined ? FULL_RATE : random.pick(RATES);
    const cut = interruption?.kind === 'power cut' ? interruption : undefined;
    const run = startAgent({
      dist,
      data: this.#data,
      deviceId: this.#id,
      server: world.url,
      channel: leg.channel,
      disk: cut && {
        root: this.#data,
        kind: 'cut',
        at: cut.step,
        seed: cut.seed,
        report: join(dir, 'disk.json'),
      },
    });
    tally.runs += 1;
    if (interruption !== undefined && 'when' in interruption) {
      this.#strikeAt(interruption.when, run, () => {
        this.#strike(interruption, run);
      });
    }
    const end = await run.done;
    await (end.disk?.struck === true ? this.#link.lookAgain() : this.#link.look());
    return end;
  }

  #strikeAt(when: Moment, run: AgentRun, strike: () => void): void {
    if (when.kind === 'byte') this.#link.onByte(when.at, strike);
    else if (when.kind === 'line') run.onLine(when.at, strike);
    else {
      const timer = setTimeout(strike, when.at);
      void run.done.finally(() => {
        clearTimeout(timer);
      });
    }
  }

  #strike(interruption: Extract<Interruption, { readonly when: Moment }>, run: AgentRun): void {
    const { world } = this.#options;
    if (run.child.exitCode !== null) return;
    if (interruption.kind === 'kill') run.child.kill('SIGKILL');
    else {
      this.#link.struck();
      const server = interruption.kind === 'cache killed' ? world.cache : world.origin;
      void server.crash(interruption.pauseMs);
    }
  }

  #struck(interruption: Interruption, end: AgentEnd): boolean {
    const { disk } = this.#options.tally;
    if (interruption.kind === 'kill') return end.killed;
    if (interruption.kind !== 'power cut') return this.#link.strikes > 0;
    if (end.disk?.struck !== true) return false;
    disk.unsyncedWrites += end.disk.unsyncedWrites;
    disk.lostWrites += end.disk.lostWrites;
    disk.unsyncedNames += end.disk.unsyncedNames;
    disk.lostNames += end.disk.lostNames;
    return true;
  }

  /** What is wrong with what the device runs. */
  async #fault(leg: Leg): Promise<string | undefined> {
    const allowed: (string | undefined)[] = [leg.from, leg.to].map(
      (release) => release?.image.manifest.digest,
    );
    try {
      const digest = await wholeRelease(this.#data);
      return allowed.includes(digest) ? undefined : `current is ${digest ?? 'nothing'}`;
    } catch (error) {
      return error instanceof Error ? error.message : String(error);
    }
  }

  async #lost(
    what: Finding['what'],
    leg: Leg,
    interruption: Interruption | undefined,
    detail: string,
  ): Promise<false> {
    const { tally, number, keep } = this.#options;
    const folder = join(keep, `device-${number}-${tally.total}`);
    await cp(this.#data, folder, { recursive: true, verbatimSymlinks: true });
    tally.findings.push({
      what,
      device: number,
      leg: `${leg.from?.name ?? 'nothing'} to ${leg.to.name}`,
      interruption: JSON.stringify(interruption),
      detail: detail.trim(),
      folder,
    });
    return false;
  }
}
