import type { Digest } from '../../storage/digest.ts';
import type { ProgressBar } from './progress-bar.ts';
import type { PlanKind } from './protocol.ts';
import { reasonInWords } from './reasons.ts';
import type { Outcome } from './state.ts';

/** What the program says while it works; one JSON line each with `--json`. */
export type DeviceEvent =
  | { readonly event: 'checked'; readonly target: Digest; readonly plans: readonly PlanKind[] }
  | {
      readonly event: 'fetch';
      readonly plan: PlanKind;
      /** Bytes. */
      readonly done: number;
      readonly total: number;
    }
  | { readonly event: 'resumed'; readonly digest: Digest; readonly at: number }
  | {
      readonly event: 'apply';
      readonly plan: PlanKind;
      readonly done: number;
      readonly total: number;
    }
  | { readonly event: 'applied'; readonly plan: PlanKind; readonly applyMs: number }
  | {
      readonly event: 'plan_failed';
      readonly plan: PlanKind;
      readonly code: string;
      readonly message: string;
    }
  | { readonly event: 'warning'; readonly message: string }
  | ResultEvent;

export interface ResultEvent {
  readonly event: 'result';
  readonly outcome: Outcome;
  readonly from?: Digest | undefined;
  readonly to?: Digest | undefined;
  readonly plan?: PlanKind | undefined;
  /** Bytes of bodies for this update, those of interrupted runs included. */
  readonly bytes: number;
  /** The same with heads, TLS and tries that failed. */
  readonly wireBytes?: number | undefined;
  readonly fetchMs: number;
  readonly applyMs: number;
  /** The byte at which a download went on. */
  readonly resumedAt?: number | undefined;
  /** Why it waits, or went back. */
  readonly reason?: string | undefined;
  readonly retryAfterSeconds?: number | undefined;
  /** When it goes on, if that is known; milliseconds since the epoch. */
  readonly untilMs?: number | undefined;
}

export interface Output {
  emit(event: DeviceEvent): void;
  /** A line for people, or an object for `--json`. */
  print(text: string, json: Readonly<Record<string, unknown>>): void;
  close(): void;
}

export interface Terminal {
  readonly stdout: NodeJS.WritableStream;
  readonly stderr: NodeJS.WritableStream & { readonly isTTY?: boolean | undefined };
}

/** Fetch and apply lines come at most this often, and at their ends. */
const PROGRESS_MS = 100;

/** JSON lines on stdout, or prose on stdout with a progress bar on a terminal's stderr. */
export async function createOutput(
  terminal: Terminal,
  json: boolean,
  nowMs: () => number,
): Promise<Output> {
  const bar = !json && terminal.stderr.isTTY === true ? await openBar(terminal, nowMs) : undefined;
  let lastMs = 0;
  const line = (value: object): void => {
    terminal.stdout.write(`${JSON.stringify(value)}\n`);
  };
  const streamOf = (event: DeviceEvent): NodeJS.WritableStream =>
    event.event === 'warning' || event.event === 'plan_failed' ? terminal.stderr : terminal.stdout;
  return {
    emit: (event) => {
      if (event.event === 'fetch' || event.event === 'apply') {
        const now = nowMs();
        if (event.done < event.total && now - lastMs < PROGRESS_MS) return;
        lastMs = now;
        bar?.update(`${event.event} ${event.plan}`, event.done, event.total);
        if (json) line(event);
        return;
      }
      bar?.stop();
      const text = describe(event);
      if (json) line(event);
      else if (text !== undefined) streamOf(event).write(`${text}\n`);
    },
    print: (text, value) => {
      bar?.stop();
      if (json) line(value);
      else terminal.stdout.write(`${text}\n`);
    },
    close: () => bar?.stop(),
  };
}

/** Where there is no terminal the library is not loaded. */
async function openBar({ stderr }: Terminal, nowMs: () => number): Promise<ProgressBar> {
  const { ProgressBar } = await import('./progress-bar.ts');
  return new ProgressBar(stderr, nowMs);
}

function describe(event: DeviceEvent): string | undefined {
  switch (event.event) {
    case 'checked':
      return `release ${event.target}: plans ${event.plans.join(', ')}`;
    case 'fetch':
    case 'apply':
      return undefined;
    case 'resumed':
      return `download goes on at byte ${event.at}`;
    case 'applied':
      return `applied by ${event.plan} in ${event.applyMs} ms`;
    case 'plan_failed':
      return `plan ${event.plan} failed (${event.code}): ${event.message}`;
    case 'warning':
      return `warning: ${event.message}`;
    case 'result':
      return describeResult(event);
  }
}

function describeResult(event: ResultEvent): string | undefined {
  const wire = `${event.bytes} bytes, ${event.wireBytes ?? event.bytes} on the wire`;
  switch (event.outcome) {
    case 'updated':
      return `updated to ${event.to ?? '?'} by ${event.plan ?? '?'}: ${wire}`;
    case 'up_to_date':
      return `up to date: ${event.to ?? 'nothing to do'}`;
    case 'waiting': {
      const retry =
        event.retryAfterSeconds === undefined ? '' : `, ask again in ${event.retryAfterSeconds} s`;
      return `waiting: ${reasonInWords(event.reason ?? 'no_update', event.untilMs)}${retry}`;
    }
    case 'pending_reboot':
      return `${event.to ?? '?'} waits for a reboot: ${wire}`;
    case 'repaired':
      return `repaired ${event.reason ?? ''}: ${wire}`;
    case 'rolled_back':
      return `rolled back to ${event.to ?? 'nothing'}: ${event.reason ?? 'asked to'}`;
    case 'failed':
      // The error's own line on stderr says it.
      return undefined;
  }
}
