import { join } from 'node:path';

import { applyFileDelta } from '../../../delta/apply-file.ts';
import { readSectionNames } from '../../../delta/engine/section-names.ts';
import type { Spent } from '../../../delta/engine/statistics.ts';
import { buildFileDelta } from '../../../delta/files.ts';
import { inspectDelta, type DeltaSummary, type OutputSummary } from '../../../delta/inspect.ts';
import { FileAccess } from '../../../storage/random-access.ts';
import { createOutput, formatBytes } from '../output.ts';
import { formatTable } from '../table.ts';
import { needFile } from './operands.ts';
import { withScratch } from './scratch.ts';

export interface InspectOptions {
  /** What the delta starts from: to count what the engine spends. */
  readonly old?: string;
  readonly json?: true;
}

/** Says what the delta at `path` holds, and where its bytes went. */
export async function inspect(path: string, options: InspectOptions): Promise<void> {
  const output = createOutput(options.json === true);
  await needFile(path);
  const file = await FileAccess.open(path);
  try {
    const summary = await inspectDelta(file);
    const counted = options.old === undefined ? undefined : await spentBy(path, options.old);
    output.event({ event: 'delta', ...summary, ...counted });
    for (const line of describe(summary)) output.say(line);
    for (const line of describeSpent(counted)) output.say(line);
  } finally {
    await file.close();
  }
}

/** What the engine spent a file's or tar's bytes on: known once more after the same build. */
async function spentBy(
  path: string,
  oldPath: string,
): Promise<{ readonly spent: Spent | undefined; readonly names: readonly string[] }> {
  await needFile(oldPath);
  return withScratch(async (scratch) => {
    const [made, again] = [join(scratch, 'made'), join(scratch, 'again')];
    await applyFileDelta({ old: oldPath, delta: path, output: made });
    const report = await buildFileDelta({
      ...{ old: oldPath, new: made, output: again, scratch },
      profile: 'small',
    });
    const old = await FileAccess.open(oldPath);
    try {
      return { spent: report.spent, names: await readSectionNames(old) };
    } finally {
      await old.close();
    }
  });
}

function describe(delta: DeltaSummary): string[] {
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
  return lines;
}

function describeSpent(counted: Awaited<ReturnType<typeof spentBy>> | undefined): string[] {
  const { spent, names = [] } = counted ?? {};
  if (spent === undefined) return [];
  const classes = spent.classes.map(({ what, bytes }) => [what, bytes] as const);
  const sections = spent.sections.map(({ section, bytes }) => {
    const name = section === undefined ? 'no section' : names[section];
    return [name ?? `section ${section ?? ''}`, bytes] as const;
  });
  return [
    ...['', 'what the engine spent', ...shareTable('on', classes)],
    ...(names.length === 0 ? [] : ['', ...shareTable('old section', sections)]),
  ];
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
