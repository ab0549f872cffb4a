import { stat } from 'node:fs/promises';
import { Writable } from 'node:stream';

import type { Command } from 'commander';

import { applyDelta, checkBaseFile, openDelta } from '../../../delta/apply.ts';
import { DeltaError } from '../../../delta/errors.ts';
import { nameStatistics, type Spent } from '../../../delta/engine/statistics.ts';
import { inspectDelta, type DeltaSummary, type OutputSummary } from '../../../delta/inspect.ts';
import { FileAccess } from '../../../storage/random-access.ts';
import { ServerError } from '../../errors.ts';
import { createOutput, formatBytes } from '../output.ts';
import { formatTable } from '../table.ts';

/** `rivulet delta inspect`: where a delta's bytes went. */
export function addInspect(delta: Command): void {
  delta
    .command('inspect')
    .description(
      'show what a delta holds, where its bytes went, and how each part was coded and why',
    )
    .argument('<d>', 'the delta')
    .option('--old <a>', 'the old file: also say what the engine spent its bytes on')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText('after', '\nExample:\n  $ rivulet delta inspect r1-r2.delta')
    .action(async (path: string, options: { readonly old?: string; readonly json?: true }) => {
      const output = createOutput(options.json === true);
      await needFile(path);
      const file = await FileAccess.open(path);
      try {
        const summary = await inspectDelta(file);
        const spent = options.old === undefined ? undefined : await spentBy(file, options.old);
        output.event({ event: 'delta', ...summary, ...(spent !== undefined && { spent }) });
        for (const line of describe(summary, spent)) output.say(line);
      } finally {
        await file.close();
      }
    });
}

/** Decodes everything to learn what the coded bits stand for. */
async function spentBy(source: FileAccess, oldPath: string): Promise<readonly Spent[]> {
  await needFile(oldPath);
  const delta = await openDelta(source);
  const [base] = delta.base;
  if (delta.kind === 'image' || base === undefined) {
    throw new DeltaError('wrong_base', '--old is for deltas of files and tars');
  }
  let spent: readonly Spent[] = [];
  const old = await FileAccess.open(oldPath);
  try {
    await checkBaseFile(old, base);
    await applyDelta(
      delta,
      { tar: () => Promise.resolve(old) },
      { output: () => Promise.resolve(nowhere()) },
      {
        onStatistics: (bytes) => {
          spent = nameStatistics(bytes);
        },
      },
    );
  } finally {
    await old.close();
  }
  return spent;
}

function nowhere(): Writable {
  return new Writable({
    write: (_bytes, _encoding, done) => {
      done();
    },
  });
}

function describe(delta: DeltaSummary, spent: readonly Spent[] = []): string[] {
  const lines = [
    `${delta.kind} delta, format ${delta.version}, ${formatBytes(delta.size)} (header ${formatBytes(delta.headerBytes)})`,
    ...(delta.from === undefined ? [] : [`from ${delta.from}`]),
    ...(delta.to === undefined ? [] : [`to   ${delta.to}`]),
    `needs ${formatBytes(delta.ramBytes)} of memory to apply`,
  ];
  for (const made of delta.outputs) {
    const how = made.reuse
      ? 'kept from the base'
      : `${formatBytes(made.codedBytes)} coded in ${made.frames} frames`;
    lines.push('', `${made.diffId}  ${formatBytes(made.size)}, ${how}`);
    if (made.reuse) continue;
    lines.push(...partsTable(made), '', ...shareTable('stream', streamRows(made)));
  }
  if (spent.length > 0) {
    const rows = spent.map(({ what, bytes }) => [what, bytes] as const);
    lines.push('', 'the engine spent', ...shareTable('on', rows));
  }
  return lines;
}

function partsTable({ sections }: OutputSummary): readonly string[] {
  if (sections.length === 0) return [];
  return indent(
    formatTable(
      [
        { head: 'codec', align: 'left' },
        { head: 'coded', align: 'right' },
        { head: 'of', align: 'right' },
        { head: 'what', align: 'left' },
      ],
      sections.map((part) => [
        part.codec,
        formatBytes(part.codedBytes),
        formatBytes(part.rawBytes),
        `${part.name ?? `${part.count} ${part.count === 1 ? 'part' : 'parts'}`} (${part.why})`,
      ]),
    ),
  );
}

/** Streams by what they hold, for people. */
const STREAM_TEXTS: Readonly<Record<string, string>> = {
  heads: 'heads and tags of frames',
  pairs: 'control of the engine',
  model: 'residual and literals of the engine',
};

function streamRows({ streams }: OutputSummary): (readonly [string, number])[] {
  return Object.entries(streams).map(([name, bytes]) => [STREAM_TEXTS[name] ?? name, bytes]);
}

function shareTable(head: string, rows: readonly (readonly [string, number])[]): string[] {
  const total = rows.reduce((sum, [, bytes]) => sum + bytes, 0);
  const sorted = [...rows].sort((a, b) => b[1] - a[1]);
  return indent(
    formatTable(
      [
        { head, align: 'left' },
        { head: 'bytes', align: 'right' },
        { head: 'share', align: 'right' },
      ],
      sorted.map(([name, bytes]) => [
        name,
        String(Math.round(bytes)),
        `${((100 * bytes) / Math.max(total, 1)).toFixed(1)} %`,
      ]),
    ),
  );
}

function indent(lines: readonly string[]): string[] {
  return lines.map((line) => `  ${line}`);
}

/** Throws `not_found` or `usage` unless the path is a file. */
export async function needFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return;
  } catch (cause) {
    throw new ServerError('not_found', `cannot read ${path}: no such file`, { cause });
  }
  throw new ServerError('usage', `${path} is not a file`);
}
