import { mkdtemp, rm, stat } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { Option, type Command } from 'commander';

import { openDelta } from '../../../delta/apply.ts';
import { buildImageDelta, type BuildReport, type Profile } from '../../../delta/build.ts';
import { applyFileDelta } from '../../../delta/apply-file.ts';
import { isDeltaError } from '../../../delta/errors.ts';
import { ABLATE, leaveOut } from '../../../delta/engine/ablation.ts';
import { buildFileDelta } from '../../../delta/files.ts';
import { proveFileDelta, proveImageDelta } from '../../../delta/prove.ts';
import { errnoOf } from '../../../storage/durable.ts';
import { FileAccess } from '../../../storage/random-access.ts';
import { ServerError } from '../../errors.ts';
import { openImageOperand, parseOperand, type Operand } from '../delta-operands.ts';
import { applyImageToLayout } from '../image-layout.ts';
import { createOutput, formatBytes, type Output } from '../output.ts';
import { addInspect, needFile } from './delta-inspect.ts';

/** `rivulet delta`: builds, applies and opens deltas without a server. */
export function addDelta(program: Command): void {
  const delta = program
    .command('delta')
    .description('build, apply and inspect deltas of files, tars and images, without a server');
  addBuild(delta);
  addApply(delta);
  addInspect(delta);
}

interface BuildFlags {
  readonly old?: string;
  readonly new?: string;
  readonly out: string;
  readonly profile: Profile;
  readonly proof: boolean;
  readonly json?: true;
}

interface BuildOptions extends BuildFlags {
  readonly old: string;
  readonly new: string;
}

function addBuild(delta: Command): void {
  delta
    .command('build')
    .description('build the delta from one file, tar or image to another, and prove it')
    .argument('[old]', 'a file, a tar, or oci:DIR:TAG@os/arch[/variant]; the same as --old')
    .argument('[new]', 'the same kind as the old one; the same as --new')
    .option('--old <a>', 'what the delta starts from')
    .option('--new <b>', 'what it leads to')
    .requiredOption('-o, --out <d>', 'the delta to write')
    .addOption(
      new Option('--profile <profile>', 'smallest bytes, or quick to build and apply')
        .choices(['small', 'fast'])
        .default('small'),
    )
    .option('--no-proof', 'do not apply the delta once to see that it leads to the new bytes')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet delta build --old oci:./r1:v1@linux/arm64 --new oci:./r2:v2@linux/arm64 --out r1-r2.delta',
    )
    .action(async (old: string | undefined, fresh: string | undefined, flags: BuildFlags) => {
      const options: BuildOptions = {
        ...flags,
        old: operand('old', old, flags.old),
        new: operand('new', fresh, flags.new),
      };
      ablate();
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
  const { out, profile, proof } = options;
  const common = { output: out, scratch, profile, onProgress };
  if (from.kind === 'image' && to.kind === 'image') {
    return proved(out, (withoutEngine) =>
      buildImage(from, to, { ...common, proof, withoutEngine }),
    );
  }
  if (from.kind !== 'file' || to.kind !== 'file') {
    throw new ServerError('usage', '--old and --new must both be files or both be images');
  }
  await needFile(from.path);
  await needFile(to.path);
  return proved(out, async (withoutEngine) => {
    const files = { old: from.path, new: to.path };
    const report = await buildFileDelta({ ...files, ...common, withoutEngine });
    if (proof) await proveFileDelta({ old: from.path, delta: out });
    return report;
  });
}

/** Builds; once more without the engine if the proof fails. Leaves no delta that was not proved. */
async function proved(
  out: string,
  buildOnce: (withoutEngine: boolean) => Promise<BuildReport>,
): Promise<BuildReport> {
  try {
    try {
      return await buildOnce(false);
    } catch (error) {
      if (!isDeltaError(error, 'output_mismatch') && !isDeltaError(error, 'bad_format'))
        throw error;
      process.stderr.write(`rivulet: built again without the engine: ${String(error)}\n`);
      return await buildOnce(true);
    }
  } catch (error) {
    await rm(out, { force: true });
    throw error;
  }
}

/** Has the engine leave steps out, for benches; nothing else applies such deltas. */
function ablate(): void {
  const steps = process.env[ABLATE];
  if (steps === undefined) return;
  if (!/^[0-9]{1,9}$/.test(steps)) {
    throw new ServerError('usage', `${ABLATE}=${steps}: it is a sum of steps, a number`);
  }
  process.stderr.write(
    `rivulet: the engine leaves out steps (${ABLATE}=${steps}): for benches only\n`,
  );
  leaveOut(Number(steps));
}

/** An operand that may be named by its place or by its flag, not both. */
function operand(name: string, place: string | undefined, flag: string | undefined): string {
  if (place !== undefined && flag !== undefined) {
    throw new ServerError('usage', `${place} and --${name} ${flag}: name it once`);
  }
  const named = place ?? flag;
  if (named === undefined) throw new ServerError('usage', `no --${name}: say what to work on`);
  return named;
}

async function buildImage(
  from: Operand & { readonly kind: 'image' },
  to: Operand & { readonly kind: 'image' },
  options: {
    readonly output: string;
    readonly scratch: string;
    readonly profile: Profile;
    readonly proof: boolean;
    readonly withoutEngine: boolean;
    readonly onProgress: (fraction: number) => void;
  },
): Promise<BuildReport> {
  const old = await openImageOperand(from, options.scratch);
  try {
    const next = await openImageOperand(to, options.scratch);
    try {
      const report = await buildImageDelta({ from: old, to: next, ...options });
      if (options.proof) {
        await proveImageDelta({ delta: options.output, from: old, to: next.image });
      }
      return report;
    } finally {
      await next.close();
    }
  } finally {
    await old.close();
  }
}

interface ApplyFlags {
  readonly old?: string;
  readonly delta?: string;
  readonly out: string;
  readonly json?: true;
}

interface ApplyCommandOptions extends ApplyFlags {
  readonly old: string;
  readonly delta: string;
}

function addApply(delta: Command): void {
  delta
    .command('apply')
    .description('make the new file, tar or image from the old one and a delta')
    .argument('[old]', 'what the delta was built from; the same as --old')
    .argument('[delta]', 'the delta; the same as --delta')
    .option('--old <a>', 'what the delta was built from')
    .option('--delta <d>', 'the delta')
    .requiredOption('-o, --out <c>', 'a file to write; for images the folder of an OCI layout')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet delta apply --old oci:./r1:v1@linux/arm64 --delta r1-r2.delta --out ./r2-made',
    )
    .action(async (old: string | undefined, path: string | undefined, flags: ApplyFlags) => {
      const options: ApplyCommandOptions = {
        ...flags,
        old: operand('old', old, flags.old),
        delta: operand('delta', path, flags.delta),
      };
      ablate();
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
    const { delta, out } = options;
    await applyFileDelta({ old: from.path, delta, output: out, onProgress });
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

async function withScratch<T>(work: (scratch: string) => Promise<T>): Promise<T> {
  const scratch = await mkdtemp(join(tmpdir(), 'rivulet-delta-'));
  try {
    return await work(scratch);
  } finally {
    await rm(scratch, { recursive: true, force: true });
  }
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
