import { setTimeout as sleep } from 'node:timers/promises';

import type { Random } from '../../bench/kills/random.ts';
import type { RunningProgram } from '../clients/rivulet.ts';
import { endedDeltasIn, type EndedJob, type NodeWorld } from './node-world.ts';

/** What a builder works on, and who it is: `HOST:PID:...`. */
const CLAIMED = `
  select owner from layers where state = 'chunking'
  union all select owner from deltas where state in ('building', 'proving')
  union all select owner from ostree_deltas where state in ('building', 'proving')`;
/** Between looks at who is at work, and until the kill, at most. */
const LONGEST_MS = 150;

/** `rivulet worker` several times over the bucket and the database of a world, one killed after the other. */
export class WorkerCrew {
  readonly #world: NodeWorld;
  readonly #workers: RunningProgram[];
  /** Logs of the dead. */
  #log = '';

  private constructor(world: NodeWorld, workers: RunningProgram[]) {
    this.#world = world;
    this.#workers = workers;
  }

  static async start(world: NodeWorld, count: number): Promise<WorkerCrew> {
    const starts = Array.from({ length: count }, () => world.startWorker());
    return new WorkerCrew(world, await Promise.all(starts));
  }

  /**
   * Waits until one is at work, kills it with SIGKILL a random moment later and starts another; true if a
   * row was left claimed by the dead one.
   */
  async replaceOneAtWork(random: Random): Promise<boolean> {
    let victim: RunningProgram | undefined;
    while (victim === undefined) {
      const atWork = await this.#claimants();
      victim = this.#workers.find(({ child }) => atWork.includes(child.pid));
      await sleep(random.below(LONGEST_MS));
    }
    await victim.kill();
    const left = (await this.#claimants()).includes(victim.child.pid);
    this.#log += victim.log();
    this.#workers.splice(this.#workers.indexOf(victim), 1, await this.#world.startWorker());
    return left;
  }

  /** Jobs of deltas that ended, at the living and the dead. */
  endedDeltas(): readonly EndedJob[] {
    return endedDeltasIn(this.#log + this.#workers.map((worker) => worker.log()).join(''));
  }

  /** Stops all as an operator does; resolves to their exit codes. */
  stop(): Promise<readonly (number | null)[]> {
    return Promise.all(this.#workers.map((worker) => worker.stop()));
  }

  async #claimants(): Promise<readonly (number | undefined)[]> {
    const rows = await this.#world.postgres.run(this.#world.url, CLAIMED);
    return rows.map(({ owner }) => Number(String(owner).split(':')[1]));
  }
}
