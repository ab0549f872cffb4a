import { createRequire } from 'node:module';

import type * as CliProgress from 'cli-progress';

/** How a command speaks: prose for people, JSON lines for programs, bars on a terminal. */
export interface Output {
  readonly json: boolean;
  /** One line of prose on stdout; silent with `--json`. */
  say(line: string): void;
  /** One JSON line on stdout; only with `--json`. */
  event(event: Readonly<Record<string, unknown>>): void;
  /** A progress bar on stderr when that is a terminal; otherwise nothing is drawn. */
  bar(label: string, total: number, unit: 'bytes' | 'percent'): Bar;
  /** Ends the bars; call before the last words. */
  finish(): void;
}

export interface Bar {
  update(done: number): void;
}

/** Makes the output of one command. */
export function createOutput(json: boolean): Output {
  const draw = !json && process.stderr.isTTY;
  let bars: CliProgress.MultiBar | undefined;
  return {
    json,
    say(line) {
      if (!json) process.stdout.write(`${line}\n`);
    },
    event(event) {
      if (json) process.stdout.write(`${JSON.stringify(event)}\n`);
    },
    bar(label, total, unit) {
      if (!draw) return { update: () => undefined };
      bars ??= createBars();
      const bar: CliProgress.SingleBar = bars.create(total, 0, {
        label: label.padEnd(28).slice(0, 28),
      });
      const show = unit === 'bytes' ? formatBytes : (value: number) => `${Math.round(value)} %`;
      bar.update(0, { shown: show(0) });
      return {
        update(done) {
          bar.update(Math.min(done, total), { shown: show(done) });
        },
      };
    },
    finish() {
      bars?.stop();
      bars = undefined;
    },
  };
}

/** Loads what draws bars: most runs have no terminal. */
function createBars(): CliProgress.MultiBar {
  const { MultiBar, Presets } = createRequire(import.meta.url)(
    'cli-progress',
  ) as typeof CliProgress;
  return new MultiBar(
    {
      stream: process.stderr,
      format: '  {label} [{bar}] {percentage}% {shown}',
      hideCursor: true,
      emptyOnZero: true,
    },
    Presets.rect,
  );
}

/** Bytes for people: `1.2 MB`, powers of ten. */
export function formatBytes(bytes: number): string {
  if (bytes < 1000) return `${bytes} B`;
  const units = ['kB', 'MB', 'GB', 'TB'];
  let value = bytes;
  let unit = -1;
  do {
    value /= 1000;
    unit += 1;
  } while (value >= 999.95 && unit < units.length - 1);
  return `${value.toFixed(value < 9.995 ? 2 : 1)} ${units[unit] ?? ''}`;
}
