import { CodedError } from '../../../storage/errors.ts';
import { OciError } from '../../../server/oci/errors.ts';
import { checkStore } from '../../../storage/fsck/check.ts';
import { Actor, type Ending } from './actor.ts';
import { isCollector, perform, type Command, type Operation } from './commands.ts';
import { readManifest } from './check-requests.ts';
import { leftovers } from './leftovers.ts';
import { pickOf } from './material.ts';
import { brokenPromises } from './promises.ts';
import { retainByPolicy } from './retention-requests.ts';
import { collect, sweepUploads } from './work-requests.ts';
import { HOUR, LIVE_MS, MINUTE, type World } from './world.ts';

/** Answers that clients get when they race each other or a collector. */
const REFUSALS = new Set([
  ...['unavailable', 'conflict', 'missing', 'out_of_order'],
  // A commit beside an append.
  'digest_mismatch',
]);
/** Steps that an operation does before the next choice: races need both paces. */
const BURSTS = [1, 1, 1, 2, 4, 10, 30];
/** What a step is before, after which nothing can be taken back: a removal, and naming what was stored. */
const CRITICAL = new Set([
  ...['delete', 'settle', 'linkBlob', 'putManifest', 'finish', 'publish', 'addObjects', 'moveRef'],
  ...['drop', 'decide', 'report'],
]);
/** Steps of others that it is held for, more or less. */
const HOLDS = [0, 0, 2, 6, 20, 60];
/** Operations on their way at once. */
const MAX_ACTORS = 5;

interface Running {
  readonly actor: Actor;
  steps: number;
  /** Others go first while this is more than 0 and there are any. */
  hold: number;
  readonly dies: number | undefined;
}

/** Plays commands as the schedule says; {@link play} throws at the first promise that is broken. */
export class Run {
  readonly #world: World;
  readonly #schedule: readonly number[];
  #choices = 0;
  #actors: Running[] = [];
  #fault: Error | undefined;

  constructor(world: World, schedule: readonly number[]) {
    this.#world = world;
    this.#schedule = schedule;
  }

  async play(commands: readonly Command[]): Promise<void> {
    const left = [...commands];
    while (left.length > 0 || this.#actors.length > 0) {
      if (left[0]?.do === 'settle' && this.#actors.length === 0) left.shift();
      const mayBegin =
        left.length > 0 && left[0]?.do !== 'settle' && this.#actors.length < MAX_ACTORS;
      const count = this.#actors.length + (mayBegin ? 1 : 0);
      if (count === 0) continue;
      const number = this.#number();
      if (mayBegin && number % count === 0) await this.#begin(left.shift());
      else await this.#goOn(Math.floor(number / count));
    }
    await this.#check('at the end');
  }

  /** Nothing happens any more, and all grace passes: then what nothing needs is gone. */
  async settle(): Promise<void> {
    const { world, stores } = { world: this.#world, stores: this.#world.bare };
    const request = { world, stores, onEnd: () => undefined };
    world.clock.nowMs += LIVE_MS + 2 * HOUR;
    await retainByPolicy(request);
    await sweepUploads(request);
    await collect(request);
    await collect(request);
    await this.#check('once all is collected');
    const { objects, catalog } = world.bare;
    const { faults } = await checkStore({ objects, catalog, quick: false, readManifest });
    if (faults.length > 0) throw new Error(`fsck: ${JSON.stringify(faults)}`);
    const left = await leftovers(world);
    if (left.length > 0) throw new Error(`immortal: ${left.join(', ')}`);
  }

  #number(): number {
    const number = this.#schedule[this.#choices % this.#schedule.length] ?? 0;
    this.#choices += 1;
    return number;
  }

  /** Lets one go on that is not held, for a step or some. */
  async #goOn(number: number): Promise<void> {
    const free = this.#actors.filter(({ hold }) => hold <= 0);
    const running = pickOf(free.length > 0 ? free : this.#actors, number);
    const steps = pickOf(BURSTS, Math.floor(number / this.#actors.length));
    for (let step = 0; step < steps; step += 1) {
      const index = this.#actors.indexOf(running);
      if (index < 0) return;
      await this.#step(index);
      for (const other of this.#actors) if (other !== running) other.hold -= 1;
      if (!CRITICAL.has(running.actor.next ?? '')) continue;
      running.hold = pickOf(HOLDS, this.#number());
      if (running.hold > 0) return;
    }
  }

  async #begin(command: Command | undefined): Promise<void> {
    if (command === undefined || command.do === 'settle') return;
    if (command.do === 'wait') await this.#wait(command.ms);
    else await this.#start(command);
  }

  async #start(operation: Operation): Promise<void> {
    const ends: ((acknowledged: boolean) => void)[] = [];
    const actor = new Actor(operation.do, isCollector(operation), (ending) => {
      for (const end of ends) end(ending.kind === 'done');
      this.#note(operation, ending);
    });
    this.#actors.push({ actor, steps: 0, hold: 0, dies: operation.dies });
    const world = this.#world;
    const onEnd = (end: (acknowledged: boolean) => void): void => {
      ends.push(end);
    };
    await actor.start((gate) => perform(operation, { world, stores: world.gated(gate), onEnd }));
    await this.#reap();
  }

  async #step(index: number): Promise<void> {
    const running = this.#actors[index];
    if (running === undefined) return;
    if (running.dies !== undefined && running.steps >= running.dies) {
      running.actor.kill();
    } else {
      running.steps += 1;
      await running.actor.step();
    }
    await this.#reap();
  }

  async #reap(): Promise<void> {
    const collected = this.#actors.some(({ actor }) => actor.isCollector && !actor.isAlive);
    this.#actors = this.#actors.filter(({ actor }) => actor.isAlive);
    if (this.#fault !== undefined) throw this.#fault;
    if (collected) await this.#check('after a collection');
  }

  /**
   * Requests end within minutes, as proxies and clients see to it; a removal that was decided on happens
   * within one. A collector may be on its way for any time else.
   */
  async #wait(ms: number): Promise<void> {
    if (ms >= MINUTE) {
      for (;;) {
        const index = this.#actors.findIndex(
          ({ actor }) => !actor.isCollector || actor.next === 'delete',
        );
        if (index < 0) break;
        await this.#step(index);
      }
    }
    this.#world.clock.nowMs += ms;
    await this.#check('after a while');
  }

  /** A refusal is an answer; anything else is a fault of the store, or of this test. */
  #note(operation: Operation, ending: Ending): void {
    if (ending.kind !== 'failed') return;
    const { error } = ending;
    const isRefusal =
      error instanceof OciError ||
      (error instanceof CodedError && REFUSALS.has(String(error.code)));
    if (!isRefusal) this.#fault ??= new Error(`${operation.do} failed`, { cause: error });
  }

  async #check(when: string): Promise<void> {
    const broken = await brokenPromises(this.#world);
    if (broken.length > 0) throw new Error(`lost ${when}: ${broken.join(', ')}`);
  }
}
