import { spawn } from 'node:child_process';

import { StorageError } from '../../../storage/errors.ts';
import { DeltaError } from '../../errors.ts';

/** A program and its arguments; no shell reads them. */
export type Argv = readonly [program: string, ...args: string[]];

export interface CommandOptions {
  readonly input: Uint8Array;
  /** Bytes of output; a command that writes more is killed. */
  readonly maxOutputBytes: number;
  readonly signal?: AbortSignal | undefined;
}

export interface CommandResult {
  /** Undefined when a signal ended it. */
  readonly exitCode: number | undefined;
  readonly stdout: Buffer;
  /** The first bytes of it, as text. */
  readonly stderr: string;
}

const STDERR_BYTES = 4096;

/**
 * Runs a program with bytes on its standard input and gives what it wrote. Throws `unavailable` when it
 * can't be started, `too_large` past the bound on its output, `aborted`.
 */
export function runCommand(argv: Argv, options: CommandOptions): Promise<CommandResult> {
  const [program, ...args] = argv;
  const { input, maxOutputBytes, signal } = options;
  return new Promise((resolve, reject) => {
    if (signal?.aborted === true) {
      reject(aborted(program, signal));
      return;
    }
    const child = spawn(program, args, { stdio: 'pipe', signal, killSignal: 'SIGKILL' });
    const stdout = new Bounded(maxOutputBytes);
    const stderr = new Bounded(STDERR_BYTES);
    child.on('error', (cause) => {
      const fault = new StorageError('unavailable', `can't run ${program}: ${cause.message}`, {
        cause,
      });
      reject(signal?.aborted === true ? aborted(program, signal) : fault);
    });
    child.stdout.on('data', (part: Buffer) => {
      if (stdout.add(part)) return;
      child.kill('SIGKILL');
      reject(new DeltaError('too_large', `${program} wrote more than ${maxOutputBytes} bytes`));
    });
    child.stderr.on('data', (part: Buffer) => {
      stderr.add(part);
    });
    child.on('close', (exitCode) => {
      resolve({
        exitCode: exitCode ?? undefined,
        stdout: stdout.bytes(),
        stderr: stderr.bytes().toString('utf8').trim(),
      });
    });
    // A program that ends without reading its input says why by its exit code.
    child.stdin.on('error', () => undefined);
    child.stdin.end(input);
  });
}

/** Keeps the first bytes of a stream. */
class Bounded {
  readonly #parts: Buffer[] = [];
  readonly #max: number;
  #left: number;

  constructor(max: number) {
    this.#max = max;
    this.#left = max;
  }

  /** False when not all of it was kept. */
  add(part: Buffer): boolean {
    const kept = part.subarray(0, this.#left);
    this.#parts.push(kept);
    this.#left -= kept.length;
    return kept.length === part.length;
  }

  bytes(): Buffer {
    return Buffer.concat(this.#parts, this.#max - this.#left);
  }
}

function aborted(program: string, signal: AbortSignal): DeltaError {
  return new DeltaError('aborted', `${program}: aborted`, { cause: signal.reason });
}
