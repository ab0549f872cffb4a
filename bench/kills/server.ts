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

  /** Starts a collector beside it, which spares what is younger than three seconds, unless one runs. */
  collect(): void {
    if (this.#collector !== undefined && !hasEnded(this.#collector)) return;
    this.#collector = this.#spawn(['gc', '--grace', '0.05'], 'ignore');
  }

  /** kill -9 for all of them, at once. */
  async kill(): Promise<void> {
    const children = [this.#server, this.#collector].filter((child) => child !== undefined);
    await Promise.all(
      children.map(async (child) => {
        if (hasEnded(child)) return;
        const exited = once(child, 'exit');
        child.kill('SIGKILL');
        await exited;
      }),
    );
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
          RIVULET_LOG_LEVEL: 'error',
        },
      });
    } finally {
      closeSync(log);
    }
  }
}

function hasEnded({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}
