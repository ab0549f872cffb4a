import { writeFileSync } from 'node:fs';

import { Random } from '../../fuzz/random.ts';
import type { CutLoss, DiskModel } from './disk-model.ts';
import type { DiskFault, DiskReport } from './fault.ts';

type StepKind = 'grow' | 'change';

/** Every step that the process takes on its disk passes here; at the chosen one the fault strikes. */
export class Gate {
  readonly #model: DiskModel;
  readonly #fault: DiskFault;
  #steps = 0;
  #active = 0;
  #cutting = false;
  #struck = false;

  constructor(model: DiskModel, fault: DiskFault) {
    this.#model = model;
    this.#fault = fault;
  }

  /** Set once the power is going: what the fault itself does is no step. */
  get cutting(): boolean {
    return this.#cutting;
  }

  /** Takes a step. Once the power is cut it never comes back. */
  async step<T>(kind: StepKind, work: () => Promise<T>): Promise<T> {
    if (this.#cutting) return never();
    this.#active += 1;
    try {
      this.#begin(kind);
      return await work();
    } finally {
      this.#active -= 1;
      await this.#end();
    }
  }

  /** A step of a synchronous call. */
  stepNow<T>(kind: StepKind, work: () => T): T {
    if (this.#cutting) return work();
    this.#begin(kind);
    return work();
  }

  /** Says at the exit how many steps there were. */
  finish(): void {
    if (this.#fault.kind === 'cut' && this.#struck) return;
    this.#report({ unsyncedWrites: 0, lostWrites: 0, unsyncedNames: 0, lostNames: 0 });
  }

  #begin(kind: StepKind): void {
    this.#steps += 1;
    const { at, kind: fault } = this.#fault;
    if (this.#steps < at || fault === 'cut' || (fault === 'full' && kind !== 'grow')) return;
    this.#struck = true;
    const code = fault === 'full' ? 'ENOSPC' : 'EROFS';
    throw Object.assign(new Error(`${code}: the bench's disk fault`), { code });
  }

  async #end(): Promise<void> {
    if (this.#fault.kind !== 'cut' || this.#steps < this.#fault.at) return;
    this.#cutting = true;
    if (this.#active === 0) this.#cut();
    await never();
  }

  #cut(): void {
    this.#struck = true;
    this.#report(this.#model.cut(new Random(this.#fault.seed)));
    process.kill(process.pid, 'SIGKILL');
  }

  #report(loss: CutLoss): void {
    const { writtenBytes } = this.#model;
    const report: DiskReport = { steps: this.#steps, struck: this.#struck, writtenBytes, ...loss };
    writeFileSync(this.#fault.report, JSON.stringify(report));
  }
}

function never(): Promise<never> {
  return new Promise(() => undefined);
}
