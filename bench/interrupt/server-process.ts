import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { openSync, closeSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { setTimeout as sleep } from 'node:timers/promises';

/** A server of ours that is killed and comes back at the same address. */
export class ServerProcess {
  readonly #script: string;
  readonly #args: readonly string[];
  readonly #log: string;
  #child: ChildProcess | undefined;
  #url = '';
  #crashes = 0;
  #busy: Promise<void> = Promise.resolve();

  private constructor(script: string, args: readonly string[], log: string) {
    this.#script = script;
    this.#args = args;
    this.#log = log;
  }

  /** `args` without `--listen`. */
  static async start(script: string, args: readonly string[], log: string): Promise<ServerProcess> {
    const server = new ServerProcess(script, args, log);
    await server.#start('127.0.0.1:0');
    return server;
  }

  get url(): string {
    return this.#url;
  }

  /** How often it was killed. */
  get crashes(): number {
    return this.#crashes;
  }

  /** kill -9, and back after a pause; one at a time. `up` tells when it answers again. */
  crash(pauseMs: number): void {
    this.#busy = this.#busy.then(async () => {
      this.#crashes += 1;
      await this.#end('SIGKILL');
      await sleep(pauseMs);
      await this.#start(new URL(this.#url).host);
    });
    // Whoever waits for it is told.
    this.#busy.catch(() => undefined);
  }

  /** Resolves when it is up; rejects if it did not come back. */
  up(): Promise<void> {
    return this.#busy;
  }

  async stop(): Promise<void> {
    await this.#busy;
    await this.#end('SIGTERM');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    const child = this.#child;
    if (child === undefined) return;
    if (child.exitCode === null && child.signalCode === null) {
      const exited = once(child, 'exit');
      child.kill(signal);
      await exited;
    }
    this.#child = undefined;
  }

  async #start(listen: string): Promise<void> {
    const log = openSync(this.#log, 'a');
    const child: ChildProcess = spawn(
      process.execPath,
      [this.#script, ...this.#args, '--listen', listen],
      {
        stdio: ['ignore', 'pipe', log],
      },
    );
    closeSync(log);
    this.#child = child;
    this.#url = await new Promise((resolve, reject) => {
      child.once('exit', (code) => {
        reject(new Error(`${this.#args[0] ?? ''} ended with ${String(code)}, see ${this.#log}`));
      });
      if (child.stdout === null) return;
      createInterface({ input: child.stdout }).once('line', (line) => {
        resolve((JSON.parse(line) as { readonly url: string }).url);
      });
    });
  }
}
