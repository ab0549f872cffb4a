import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Option, type Command } from 'commander';

import { openDelta } from '../../../delta/apply.ts';
import { buildImageDelta, type BuildReport, type Profile } from '../../../delta/build.ts';
import { applyFileDelta, buildFileDelta } from '../../../delta/files.ts';
import { inspectDelta, type DeltaSummary } from '../../../delta/inspect.ts';
import { proveImageDelta } from '../../../delta/prove.ts';
import { errnoOf } from '../../../storage/durable.ts';
import { FileAccess } from '../../../storage/random-access.ts';
import { ServerError } from '../../errors.ts';
import { openImageOperand, parseOperand, type Operand } from '../delta-operands.ts';
import { applyImageToLayout } from '../image-layout.ts';
import { createOutput, formatBytes, type Output } from '../output.ts';

/** `rivulet delta`: builds, applies and opens deltas without a server. */
export function addDelta(program: Command): void {
  const delta = program
    .command('delta')
    .description('build, apply and inspect deltas of files, tars and images, without a server');
  addBuild(delta);
  addApply(delta);
  addInspect(delta);
}

interface BuildOptions {
  readonly old: string;
  readonly new: string;
  readonly out: string;
  readonly profile: Profile;
  readonly json?: true;
}

function addBuild(delta: Command): void {
  delta
    .command('build')
    .description('build the delta from one file, tar or image to another, and prove it')
    .requiredOption('--old <a>', 'a file, a tar, or oci:DIR:TAG@os/arch[/variant]')
    .requiredOption('--new <b>', 'the same kind as the old one')
    .requiredOption('--out <d>', 'the delta to write')
    .addOption(
      new Option('--profile <profile>', 'smallest bytes, or quick to build and apply')
        .choices(['small', 'fast'])
        .default('small'),
    )
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet delta build --old oci:./r1:v1@linux/arm64 --new oci:./r2:v2@linux/arm64 --out r1-r2.delta',
    )
    .action(async (options: BuildOptions) => {
      const output = createOutput(options.json === true);
      const report = await withScratch((scratch) => build(options, scratch, output));
      output.finish();
      output.event({ event: 'built', out: options.out, ...report });
      output.say(`${options.out}: ${formatBytes(report.size)} ${report.digest}`);
    });
}

async function build(options: BuildOptions, scratch: string, output: Output): Promise<BuildReport> {
  const [from, to] = [parseOperand(options.old), parseOperand(options.new)];
  const bar = output.bar('building', 100, 'percent');
  const onProgress = (fraction: number): void => {
    bar.update(fraction * 100);
  };
  const { out, profile } = options;
  if (from.kind === 'image' && to.kind === 'image') {
    return buildImage(from, to, { output: out, scratch, profile, onProgress });
  }
  if (from.kind !== 'file' || to.kind !== 'file') {
    throw new ServerError('usage', '--old and --new must both be files or both be images');
  }
  await needFile(from.path);
  await needFile(to.path);
  return buildFileDelta({
    old: from.path,
    new: to.path,
    output: out,
    scratch,
    profile,
    onProgress,
  });
}

async function buildImage(
  from: Operand & { readonly kind: 'image' },
  to: Operand & { readonly kind: 'image' },
  options: {
    readonly output: string;
    readonly scratch: string;
    readonly profile: Profile;
    readonly onProgress: (fraction: number) => void;
  },
): Promise<BuildReport> {
  const old = await openImageOperand(from, options.scratch);
  try {
    const next = await openImageOperand(to, options.scratch);
    try {
      const report = await buildImageDelta({ from: old, to: next, ...options });
      await proveImageDelta({ delta: options.output, from: old, to: next.image });
      return report;
    } catch (error) {
      await rm(options.output, { force: true });
      throw error;
    } finally {
      await next.close();
    }
  } finally {
    await old.close();
  }
}

interface ApplyCommandOptions {
  readonly old: string;
  readonly delta: string;
  readonly out: string;
  readonly json?: true;
}

function addApply(delta: Command): void {
  delta
    .command('apply')
    .description('make the new file, tar or image from the old one and a delta')
    .requiredOption('--old <a>', 'what the delta was built from')
    .requiredOption('--delta <d>', 'the delta')
    .requiredOption('--out <c>', 'a file to write; for images the folder of an OCI layout')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet delta apply --old oci:./r1:v1@linux/arm64 --delta r1-r2.delta --out ./r2-made',
    )
    .action(async (options: ApplyCommandOptions) => {
      const output = createOutput(options.json === true);
      const started = performance.now();
      await withScratch((scratch) => apply(options, scratch, output));
      output.finish();
      const ms = Math.round(performance.now() - started);
      output.event({ event: 'applied', out: options.out, applyMs: ms });
      output.say(`${options.out}: made and verified in ${(ms / 1000).toFixed(1)} s`);
    });
}

async function apply(options: ApplyCommandOptions, scratch: string, output: Output): Promise<void> {
  const from = parseOperand(options.old);
  await needFile(options.delta);
  await refuseExisting(options.out);
  const bar = output.bar('applying', 100, 'percent');
  const onProgress = (done: number, total: number): void => {
    bar.update(total === 0 ? 100 : (100 * done) / total);
  };
  if (from.kind === 'file') {
    await needFile(from.path);
    await applyFileDelta({ ...options, old: from.path, output: options.out, onProgress });
    return;
  }
  const file = await FileAccess.open(options.delta);
  try {
    const delta = await openDelta(file);
    const base = await openImageOperand(from, scratch);
    try {
      await applyImageToLayout(delta, base, options.out, { onProgress });
    } finally {
      await base.close();
    }
  } finally {
    await file.close();
  }
}

function addInspect(delta: Command): void {
  delta
    .command('inspect')
    .description('show what a delta holds, and how each part was coded and why')
    .argument('<d>', 'the delta')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText('after', '\nExample:\n  $ rivulet delta inspect r1-r2.delta')
    .action(async (path: string, options: { readonly json?: true }) => {
      const output = createOutput(options.json === true);
      await needFile(path);
      const file = await FileAccess.open(path);
      try {
        const summary = await inspectDelta(file);
        output.event({ event: 'delta', ...summary });
        for (const line of describe(summary)) output.say(line);
      } finally {
        await file.close();
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
    const how = made.reuse ? 'kept from the base' : `${formatBytes(made.codedBytes)} coded`;
    lines.push('', `${made.diffId}  ${formatBytes(made.size)}, ${how}`);
    for (const part of made.sections) {
      const sizes = `${formatBytes(part.codedBytes).padStart(9)} for ${formatBytes(part.rawBytes).padStart(9)}`;
      const name = part.name ?? `${part.count} parts`;
      lines.push(`  ${part.codec.padEnd(8)} ${sizes}  ${name} (${part.why})`);
    }
  }
  return lines;
}

async function withScratch<T>(work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'rivulet-delta-'));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
}

async function needFile(path: string): Promise<void> {
  try {
    if ((await stat(path)).isFile()) return;
  } catch (cause) {
    throw new ServerError('not_found', `cannot read ${path}: no such file`, { cause });
  }
  throw new ServerError('usage', `${path} is not a file`);
}

async function refuseExisting(path: string): Promise<void> {
  try {
    await stat(path);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return;
    throw error;
  }
  throw new ServerError('usage', `${path} exists already: choose another --out`);
}
