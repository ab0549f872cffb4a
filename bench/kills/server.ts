import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

/** Programs of ours over one folder, that are killed. */
export class Programs {
  readonly #main: string;
  readonly #data: string;
  readonly #log: string;
  #server: ChildProcess | undefined;
  #collector: ChildProcess | undefined;
  #listen = '127.0.0.1:0';
  /** Of the collector: runs that came to their end, and those that were killed. */
  readonly collections = { ended: 0, killed: 0 };

  constructor(dist: string, data: string, log: string) {
    this.#main = join(dist, 'server', 'cli', 'main.js');
    this.#data = data;
    this.#log = log;
  }

  /** Starts the server where it was before; resolves to its address once it answers. */
  async serve(): Promise<string> {
    const child = this.#spawn(['serve', '--listen', this.#listen], 'pipe');
    this.#server = child;
    const url = await new Promise<string>((resolve, reject) => {
      child.once('exit', (code) => {
        reject(new Error(`the server ended with ${String(code)}, see ${this.#log}`));
      });
      if (child.stdout === null) return;
      createInterface({ input: child.stdout }).once('line', (line) => {
        resolve((JSON.parse(line) as { readonly url: string }).url);
      });
    });
    this.#listen = new URL(url).host;
    return url;
  }

  /** Starts a collector, which spares what is younger than three seconds. */
  collect(): void {
    this.#collector = this.#spawn(['gc', '--grace', '0.05'], 'ignore');
  }

  /** kill -9 for all of them, at once; resolves to what had failed before, in words. */
  async kill(): Promise<readonly string[]> {
    const [server, collector] = [this.#server, this.#collector];
    [this.#server, this.#collector] = [undefined, undefined];
    const [served, collected] = await Promise.all([killed(server), killed(collector)]);
    if (collector !== undefined && collected === 'killed') this.collections.killed += 1;
    if (collected === 'done') this.collections.ended += 1;
    return [
      ...(served === 'killed' ? [] : [`the server ended by itself, see ${this.#log}`]),
      ...(collected === 'failed' ? [`the collector failed, see ${this.#log}`] : []),
    ];
  }

  #spawn(args: readonly string[], stdout: 'pipe' | 'ignore'): ChildProcess {
    const log = openSync(this.#log, 'a');
    try {
      return spawn(process.execPath, [this.#main, ...args, '--data', this.#data], {
        stdio: ['ignore', stdout, log],
        env: {
          ...process.env,
          RIVULET_MATRIX_LEASE_MS: '2000',
          RIVULET_MATRIX_RECONCILE_MS: '1000',
          // Nobody goes on with an upload that a kill interrupted.
          RIVULET_UPLOADS_TTL_MS: '60000',
          RIVULET_LOG_LEVEL: 'error',
        },
      });
    } finally {
      closeSync(log);
    }
  }
}

/** Kills a program, if there is one, and says how it ended. */
async function killed(child: ChildProcess | undefined): Promise<'killed' | 'done' | 'failed'> {
  if (child === undefined) return 'killed';
  if (child.exitCode === null && child.signalCode === null) {
    const exited = once(child, 'exit');
    child.kill('SIGKILL');
    await exited;
  }
  if (child.signalCode === 'SIGKILL') return 'killed';
  return child.exitCode === 0 ? 'done' : 'failed';
}
