import { readdirSync, readFileSync } from 'node:fs';
import { constants } from 'node:os';

/** Signals that end a bench; the status that a shell would give it says which. */
const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const;

/**
 * From here on this process takes along what it started, and what that started, however it ends: at its
 * end, with an exception, or by a signal that can be caught. Listeners of `exit` come after it, so a
 * folder is removed once nothing writes into it any more. Where there is no /proc nothing is found.
 */
export function endWithChildren(): void {
  process.on('exit', () => {
    killChildren(process.pid);
  });
  for (const signal of SIGNALS) {
    process.once(signal, () => {
      process.exit(128 + constants.signals[signal]);
    });
  }
}

/** Each is stopped before its own are looked for: it starts no more of them in between. */
function killChildren(parent: number): void {
  for (const child of childrenOf(parent)) {
    if (!send(child, 'SIGSTOP')) continue;
    killChildren(child);
    send(child, 'SIGKILL');
  }
}

/** By each thread, for a child belongs to the one that started it (proc(5), /proc/pid/task/tid/children). */
function childrenOf(pid: number): readonly number[] {
  return ifThere(() => readdirSync(`/proc/${pid}/task`), []).flatMap((thread) => {
    const text = ifThere(() => readFileSync(`/proc/${pid}/task/${thread}/children`, 'latin1'), '');
    return text.split(' ').filter(Boolean).map(Number);
  });
}

/** False when it has ended. */
function send(pid: number, signal: NodeJS.Signals): boolean {
  return ifThere(() => process.kill(pid, signal), false);
}

/** What `ask` tells of a process; `otherwise` when it is gone. */
function ifThere<T>(ask: () => T, otherwise: T): T {
  try {
    return ask();
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'ENOENT' || code === 'ESRCH') return otherwise;
    throw error;
  }
}
