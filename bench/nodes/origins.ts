import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { closeSync, openSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

import { processUse } from '../serve/process-use.ts';

const MAIN = fileURLToPath(new URL('../../server/cli/main.js', import.meta.url));

/** Origins that serve one store; no builders, so that nothing but requests is measured. */
export class Origins {
  readonly urls: readonly string[];
  readonly #children: readonly ChildProcess[];

  private constructor(started: readonly { readonly child: ChildProcess; readonly url: string }[]) {
    this.urls = started.map(({ url }) => url);
    this.#children = started.map(({ child }) => child);
  }

  /** `env` says where bytes and facts are; each has a folder of its own below `dir`. */
  static async start(count: number, dir: string, env: NodeJS.ProcessEnv): Promise<Origins> {
    const numbers = Array.from({ length: count }, (_, n) => n);
    return new Origins(await Promise.all(numbers.map((n) => start(join(dir, `data-${n}`), env))));
  }

  /** What all of them have used together. */
  async cpuSeconds(): Promise<number> {
    const uses = await Promise.all(this.#children.map(({ pid }) => processUse(pid ?? 0)));
    return uses.reduce((sum, use) => sum + use.cpuSeconds, 0);
  }

  async stop(): Promise<void> {
    await Promise.all(
      this.#children.map(async (child) => {
        const exited = once(child, 'exit');
        child.kill('SIGTERM');
        await exited;
      }),
    );
  }
}

async function start(data: string, env: NodeJS.ProcessEnv) {
  const log = `${data}.log`;
  const child = spawnOrigin(data, log, env);
  if (child.stdout === null) throw new Error('an origin without stdout');
  const line = once(createInterface({ input: child.stdout }), 'line');
  const ended = once(child, 'exit').then(async ([code]) => {
    const said = (await readFile(log, 'utf8')).slice(-1000);
    throw new Error(`an origin ended with ${String(code)} before it answered: ${said}`);
  });
  ended.catch(() => undefined);
  const [text] = (await Promise.race([line, ended])) as [string];
  return { child, url: (JSON.parse(text) as { readonly url: string }).url };
}

/** Every write is a line of its log: into a file. */
function spawnOrigin(data: string, log: string, env: NodeJS.ProcessEnv) {
  const file = openSync(log, 'a');
  try {
    return spawn(process.execPath, [MAIN, 'serve', '--data', data, '--listen', '127.0.0.1:0'], {
      stdio: ['ignore', 'pipe', file],
      env: { ...process.env, RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'error', ...env },
    });
  } finally {
    closeSync(file);
  }
}
