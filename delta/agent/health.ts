import { spawn } from 'node:child_process';

import { errnoOf } from '../../storage/durable.ts';
import { DeviceError } from './errors.ts';

const MAX_OUTPUT_BYTES = 2048;

export interface HealthCheck {
  /** For `sh -c`; `RIVULET_IMAGE` in its environment is the release's OCI layout. */
  readonly command: string;
  readonly image: string;
  readonly timeoutMs: number;
  readonly signal: AbortSignal;
}

/**
 * Runs the health command in a process group of its own, which is killed at the deadline or at the
 * agent's signal; what a command that ended leaves running goes on. Resolves to undefined when it exits 0, else to what went wrong with the
 * end of its output. Throws `aborted`, for then nothing is known.
 */
export function checkHealth(check: HealthCheck): Promise<string | undefined> {
  return new Promise((resolve, reject) => {
    const child = spawn('sh', ['-c', check.command], {
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
      env: { ...process.env, RIVULET_IMAGE: check.image },
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
    }, check.timeoutMs);
    check.signal.addEventListener('abort', stop);
    const settle = (): void => {
      clearTimeout(timer);
      check.signal.removeEventListener('abort', stop);
    };
    child.once('error', (cause) => {
      settle();
      reject(
        new DeviceError('io', `the health command does not start: ${cause.message}`, { cause }),
      );
    });
    child.once('exit', (code, killedBy) => {
      settle();
      child.stdout.destroy();
      child.stderr.destroy();
      if (check.signal.aborted) reject(new DeviceError('aborted', 'the health check was stopped'));
      else if (timedOut) resolve(`no answer in ${check.timeoutMs} ms${tail(output)}`);
      else if (code === 0) resolve(undefined);
      else resolve(`exit ${code ?? killedBy ?? 'unknown'}${tail(output)}`);
    });
    if (check.signal.aborted) stop();
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
