import { spawn } from 'node:child_process';

import { errnoOf } from '../../storage/durable.ts';
import { DeviceError } from './errors.ts';

const MAX_OUTPUT_BYTES = 2048;

export interface ShellCommand {
  /** What it is called in errors, such as "the health command". */
  readonly what: string;
  /** For `sh -c`. */
  readonly command: string;
  /** Beside the agent's own environment. */
  readonly env: Readonly<Record<string, string>>;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs an operator's command in a process group of its own, which is killed at the deadline or at the
 * agent's signal; what a command that ended leaves running goes on. Resolves to undefined when it
 * exits 0, else to what went wrong with the end of its output. Throws `aborted`, for then nothing is
 * known.
 */
export function runCommand(run: ShellCommand): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', run.command], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, ...run.env },
    });
    let output = '';
    const collect = (bytes: Buffer): void => {
      output = (output + bytes.toString('utf8')).slice(-MAX_OUTPUT_BYTES);
    };
    child.stdout.on('data', collect);
    child.stderr.on('data', collect);
    let timedOut = false;
    const stop = (): void => {
      if (child.pid !== undefined) killGroup(child.pid);
    };
    const timer = setTimeout(() => {
      timedOut = true;
      stop();
    }, run.timeoutMs);
    run.signal.addEventListener('abort', stop);
    const settle = (): void => {
      clearTimeout(timer);
      run.signal.removeEventListener('abort', stop);
    };
    child.once('error', (cause) => {
      settle();
      reject(new DeviceError('io', `${run.what} does not start: ${cause.message}`, { cause }));
    });
    child.once('exit', (code, killedBy) => {
      settle();
      child.stdout.destroy();
      child.stderr.destroy();
      if (run.signal.aborted) reject(new DeviceError('aborted', `${run.what} was stopped`));
      else if (timedOut) resolve(`no answer in ${run.timeoutMs} ms${tail(output)}`);
      else if (code === 0) resolve(undefined);
      else resolve(`exit ${code ?? killedBy ?? 'unknown'}${tail(output)}`);
    });
    if (run.signal.aborted) stop();
  });
}

function tail(output: string): string {
  const text = output.trim().replace(/\s+/g, ' ');
  return text === '' ? '' : `: ${text}`;
}

function killGroup(pid: number): void {
  try {
    process.kill(-pid, 'SIGKILL');
  } catch (error) {
    // The group may be gone, which is what was wanted.
    if (errnoOf(error) !== 'ESRCH') throw error;
  }
}
