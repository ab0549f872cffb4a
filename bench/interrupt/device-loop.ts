import { cp, mkdir, readdir, rm } from 'node:fs/promises';
import { join } from 'node:path';

import type { Random } from '../fuzz/random.ts';
import { startAgent, type AgentEnd, type AgentRun } from './agent-run.ts';
import { heldBytes } from './held-bytes.ts';
import {
  drawRun,
  endsRun,
  isFaulty,
  type Interruption,
  type Kind,
  type LegCost,
  type Moment,
} from './interruptions.ts';
import { DeviceLink } from './link/device-link.ts';
import type { Finding, Tally } from './tally.ts';
import { wholeRelease } from './whole-release.ts';
import type { Leg, World } from './world.ts';

/** So many disturbed runs at most before a leg is let go to its end. */
const MOST_PER_LEG = 30;
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
  /** Servers' deaths that were this run's doing. */
  readonly #crashes = new Set<Interruption>();
  /** How long the last update to the end took: other devices share the machine. */
  #lastMs = 0;

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
      const step = Number.MAX_SAFE_INTEGER;
      const end = await this.#run(leg, [{ kind: 'power cut', step, seed: '' }]);
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
    let last: readonly Interruption[] = [];
    for (let n = 0; n < MOST_PER_LEG && more() && random.below(MOST_PER_LEG) > 0; n += 1) {
      const drawn = drawRun(random, this.#left(cost));
      const end = await this.#run(leg, drawn);
      const struck = drawn.filter((one) => this.#hasStruck(one, end));
      tally.add(this.#cause(struck), this.#link.run);
      for (const { kind } of struck) tally.cycles[kind] += 1;
      // Runs that were stripped are counted apart: what follows them has no part in that.
      this.#last = struck.findLast(({ kind }) => kind !== 'stripped Range')?.kind ?? this.#last;
      if (struck.length > 0) last = struck;
      const fault = await this.#fault(leg);
      if (fault !== undefined) return this.#lost('wrong release', leg, drawn, fault);
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

  /** What is left of a leg's cost; a run that goes on still takes the steps of any run. */
  #left({ bytes, ms, steps }: LegCost): LegCost {
    const left = Math.max(0, bytes - this.#link.legBytes);
    return { bytes: left, ms: Math.max(ms, this.#lastMs), steps };
  }

  /** What a run's bytes are counted under: what it went on after, or what it lived through. */
  #cause(struck: readonly Interruption[]): Kind | 'nothing' {
    const lived = struck.filter((one) => !endsRun(one)).map(({ kind }) => kind);
    return lived.find((kind) => kind === 'stripped Range') ?? lived.at(-1) ?? this.#last;
  }

  /** Lets the device reach its target undisturbed; else what it last said. */
  async #finish(leg: Leg, target: string): Promise<string | undefined> {
    const { tally, world } = this.#options;
    let words = '';
    for (let clean = 0; clean < CLEAN_RUNS;) {
      await world.up();
      const { crashes } = world;
      const end = await this.#run(leg, []);
      tally.add(this.#last, this.#link.run);
      const fault = await this.#fault(leg);
      if (fault !== undefined) return fault;
      const isThere = end.outcome === 'updated' || end.outcome === 'up_to_date';
      if (isThere && (await wholeRelease(this.#data)) === target) return undefined;
      words = `${end.outcome ?? 'no outcome'} ${end.reason ?? ''}: ${end.stderr}`;
      // One that met what another device's interruption did to a server is no clean one.
      if (world.crashes === crashes) clean += 1;
    }
    return words;
  }

  async #run(leg: Leg, drawn: readonly Interruption[]): Promise<AgentEnd> {
    const { world, dist, dir, random, tally } = this.#options;
    // A run that finds no server is soon over, and is done again: most wait.
    if (random.below(8) > 0) await world.up();
    this.#link.beginRun(drawn.filter(isFaulty).map(({ fault }) => fault));
    this.#crashes.clear();
    this.#link.rate = drawn.length === 0 ? FULL_RATE : random.pick(RATES);
    const cut = drawn.find((one) => one.kind === 'power cut');
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
    for (const one of drawn) {
      if (!('when' in one)) continue;
      this.#strikeAt(one.when, run, () => {
        this.#strike(one, run);
      });
    }
    const end = await run.done;
    if (end.outcome === 'updated') this.#lastMs = end.ms;
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
    if (run.child.exitCode !== null || run.child.signalCode !== null) return;
    if (interruption.kind === 'kill') run.child.kill('SIGKILL');
    else {
      this.#crashes.add(interruption);
      const server = interruption.kind === 'cache killed' ? world.cache : world.origin;
      server.crash(interruption.pauseMs);
    }
  }

  #hasStruck(interruption: Interruption, end: AgentEnd): boolean {
    const { disk } = this.#options.tally;
    if (isFaulty(interruption)) return this.#link.hasStruck(interruption.fault);
    if (interruption.kind === 'kill') return end.killed;
    if (interruption.kind !== 'power cut') return this.#crashes.has(interruption);
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
    drawn: readonly Interruption[],
    detail: string,
  ): Promise<false> {
    const { tally, number, keep } = this.#options;
    const folder = join(keep, `device-${number}-${tally.total}`);
    await cp(this.#data, folder, { recursive: true, verbatimSymlinks: true });
    tally.findings.push({
      what,
      device: number,
      leg: `${leg.from?.name ?? 'nothing'} to ${leg.to.name}`,
      interruption: JSON.stringify(drawn),
      detail: detail.trim(),
      folder,
    });
    return false;
  }
}
