import { execFile, spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { resolve } from 'node:path';
import { createInterface } from 'node:readline';

const ROOT = resolve(import.meta.dirname, '../..');
const RIVULET = resolve(ROOT, 'dist/server/cli/main.js');

/** A program of ours that runs until it is ended. */
export interface RunningProgram {
  readonly child: ChildProcess;
  /** What it wrote to stderr so far. */
  log(): string;
  /** SIGTERM; resolves to the exit code. */
  stop(): Promise<number | null>;
  /** SIGKILL; resolves once it is gone. */
  kill(): Promise<void>;
}

/** A server process under test. */
export interface ServerProcess extends RunningProgram {
  readonly url: string;
}

/** Starts a compiled `rivulet serve` or `rivulet cache` and waits until it answers. */
export async function startRivulet(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<ServerProcess> {
  const { said, ...program } = await startProgram(args, env);
  const { url } = said as { url: string };
  return { ...program, url };
}

/** Starts a compiled command that runs until it is ended, and waits for its first line of JSON. */
export async function startProgram(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<RunningProgram & { readonly said: unknown }> {
  const child = spawn(process.execPath, [built(), ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...env },
  });
  let log = '';
  child.stderr.on('data', (part: Buffer) => {
    log += part.toString();
  });
  const exited = once(child, 'exit') as Promise<[number | null]>;
  const lines = createInterface({ input: child.stdout });
  const said = await Promise.race([
    once(lines, 'line').then(([line]) => JSON.parse(String(line)) as unknown),
    exited.then(([code]) => {
      throw new Error(`rivulet ${args.join(' ')} ended with ${code}: ${log}`);
    }),
  ]);
  const end = async (signal: NodeJS.Signals): Promise<number | null> => {
    if (child.exitCode === null && child.signalCode === null) child.kill(signal);
    const [code] = await exited;
    return code;
  };
  return {
    said,
    child,
    log: () => log,
    stop: () => end('SIGTERM'),
    async kill() {
      await end('SIGKILL');
    },
  };
}

export interface CommandResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a compiled `rivulet ...` command to its end, whatever its exit code. */
export function runRivulet(
  args: readonly string[],
  env: NodeJS.ProcessEnv = {},
): Promise<CommandResult> {
  return new Promise((resolvePromise, reject) => {
    execFile(
      process.execPath,
      [built(), ...args],
      { maxBuffer: 64 * 1024 * 1024, env: { ...process.env, ...env } },
      (error, stdout, stderr) => {
        const code = error === null ? 0 : error.code;
        if (typeof code === 'number') resolvePromise({ code, stdout, stderr });
        else reject(error ?? new Error('no exit code'));
      },
    );
  });
}

function built(): string {
  if (!existsSync(RIVULET)) throw new Error(`${RIVULET} is missing: run npm run build first`);
  return RIVULET;
}
