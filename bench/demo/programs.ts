import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createWriteStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { fileURLToPath } from 'node:url';

const RIVULET = fileURLToPath(new URL('../../server/cli/main.js', import.meta.url));
const DEVICE = fileURLToPath(new URL('../../delta/agent/main.js', import.meta.url));

/** A server process of ours that answers requests. */
export interface RunningServer {
  readonly url: string;
  readonly pid: number;
  /** SIGTERM, then waits for the exit; throws unless it was clean. */
  stop(): Promise<void>;
  /** Lets the process outlive this one. */
  release(): void;
}

/** Starts `rivulet ...` and waits for its listening line; its log goes to `logFile`. */
export async function startServer(
  args: readonly string[],
  logFile: string,
): Promise<RunningServer> {
  const child = spawn(process.execPath, [RIVULET, ...args], {
    stdio: ['ignore', 'pipe', 'pipe'],
    detached: true,
  });
  child.stderr.pipe(createWriteStream(logFile, { flags: 'a' }));
  const url = await listening(child, `rivulet ${args[0] ?? ''}`, logFile);
  return {
    url,
    pid: child.pid ?? 0,
    async stop() {
      const exited = once(child, 'exit') as Promise<[number | null]>;
      child.kill('SIGTERM');
      const [code] = await exited;
      if (code !== 0)
        throw new Error(`rivulet ${args[0] ?? ''} ended with ${code}, see ${logFile}`);
    },
    release() {
      child.stdout.destroy();
      child.stderr.destroy();
      child.unref();
    },
  };
}

async function listening(child: ChildProcess, what: string, logFile: string): Promise<string> {
  return new Promise((resolve, reject) => {
    child.once('error', reject);
    child.once('exit', (code) => {
      reject(new Error(`${what} ended with ${code} before it listened, see ${logFile}`));
    });
    if (child.stdout === null) return;
    createInterface({ input: child.stdout }).once('line', (line) => {
      const event = JSON.parse(line) as { event: string; url: string };
      resolve(event.url);
    });
  });
}

/** A JSON line that one of our programs printed. */
export type ProgramEvent = Readonly<Record<string, unknown>> & { readonly event: string };

/** Runs `rivulet ... --json` to its end and hands out its events as they come. */
export function runRivulet(
  args: readonly string[],
  onEvent: (event: ProgramEvent) => void = () => undefined,
): Promise<ProgramEvent[]> {
  return runProgram(RIVULET, 'rivulet', args, onEvent);
}

/** Runs `rivulet-device ... --json` to its end and hands out its events as they come. */
export function runDevice(
  args: readonly string[],
  onEvent: (event: ProgramEvent) => void = () => undefined,
): Promise<ProgramEvent[]> {
  return runProgram(DEVICE, 'rivulet-device', args, onEvent);
}

async function runProgram(
  script: string,
  name: string,
  args: readonly string[],
  onEvent: (event: ProgramEvent) => void,
): Promise<ProgramEvent[]> {
  const child = spawn(process.execPath, [script, ...args, '--json'], {
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  const events: ProgramEvent[] = [];
  createInterface({ input: child.stdout }).on('line', (line) => {
    const event = JSON.parse(line) as ProgramEvent;
    events.push(event);
    onEvent(event);
  });
  let errors = '';
  child.stderr.on('data', (part: Buffer) => {
    errors = (errors + part.toString()).slice(-4000);
  });
  const [code] = (await once(child, 'close')) as [number | null];
  if (code !== 0) throw new Error(`${name} ${args.join(' ')} ended with ${code}: ${errors.trim()}`);
  return events;
}
