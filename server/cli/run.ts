import { CommanderError, type Command } from 'commander';

import { DeltaError } from '../../delta/errors.ts';
import { errnoOf } from '../../storage/durable.ts';
import { StorageError } from '../../storage/errors.ts';
import { ServerError } from '../errors.ts';

/** Exit codes of every command: contract.md, "Commands". */
export const EXIT = { done: 0, failed: 1, usage: 2, invalid: 3 } as const;

/**
 * Parses and runs a command line; resolves to the exit code. An error is one line on stderr,
 * a stack trace only with `--debug`.
 */
export async function runProgram(program: Command, argv: readonly string[]): Promise<number> {
  try {
    await program.parseAsync([...argv]);
    return EXIT.done;
  } catch (error) {
    if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
    process.stderr.write(`rivulet: ${oneLine(error)}\n`);
    if (argv.includes('--debug') && error instanceof Error) {
      process.stderr.write(`${error.stack ?? ''}\n`);
    }
    return exitCode(error);
  }
}

/** `rivulet ... | head` reads as much as it likes: the work goes on all the same. Called once. */
export function ignoreGoneReaders(): void {
  process.stdout.on('error', ignoreGoneReader);
  process.stderr.on('error', ignoreGoneReader);
}

function ignoreGoneReader(error: Error): void {
  if (errnoOf(error) !== 'EPIPE') throw error;
}

function oneLine(error: unknown): string {
  const message = error instanceof Error ? error.message : String(error);
  return message.replaceAll(/\s*\n\s*/g, ' ');
}

function exitCode(error: unknown): number {
  if (error instanceof ServerError) {
    if (error.code === 'config' || error.code === 'usage') return EXIT.usage;
    return error.code === 'invalid_input' ? EXIT.invalid : EXIT.failed;
  }
  if (error instanceof StorageError) {
    const invalid = ['corrupt', 'digest_mismatch', 'size_mismatch', 'invalid_name', 'too_large'];
    return invalid.includes(error.code) ? EXIT.invalid : EXIT.failed;
  }
  if (error instanceof DeltaError) {
    const failed = ['budget', 'aborted'];
    return failed.includes(error.code) ? EXIT.failed : EXIT.invalid;
  }
  return EXIT.failed;
}
