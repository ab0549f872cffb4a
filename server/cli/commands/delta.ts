import { Option, type Command } from 'commander';

import type { Profile } from '../../../delta/build.ts';
import { ablate } from '../delta/ablate.ts';
import type { InspectOptions } from '../delta/inspect.ts';
import { operandOf } from '../delta/operands.ts';
import { withScratch } from '../delta/scratch.ts';
import { createOutput, formatBytes } from '../output.ts';

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
      const options = {
        ...flags,
        old: operandOf('old', old, flags.old),
        new: operandOf('new', fresh, flags.new),
      };
      ablate();
      const { build } = await import('../delta/build.ts');
      const output = createOutput(options.json === true);
      const report = await withScratch((scratch) => build(options, scratch, output));
      output.finish();
      output.event({ event: 'built', out: options.out, ...report });
      output.say(`${options.out}: ${formatBytes(report.size)} ${report.digest}`);
    });
}

interface ApplyFlags {
  readonly old?: string;
  readonly delta?: string;
  readonly out: string;
  readonly json?: true;
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
      const options = {
        ...flags,
        old: operandOf('old', old, flags.old),
        delta: operandOf('delta', path, flags.delta),
      };
      ablate();
      const { apply } = await import('../delta/apply.ts');
      const output = createOutput(options.json === true);
      const started = performance.now();
      await withScratch((scratch) => apply(options, scratch, output));
      output.finish();
      const ms = Math.round(performance.now() - started);
      output.event({ event: 'applied', out: options.out, applyMs: ms });
      output.say(`${options.out}: made and verified in ${(ms / 1000).toFixed(1)} s`);
    });
}

function addInspect(delta: Command): void {
  delta
    .command('inspect')
    .description(
      'show what a delta holds, where its bytes went, and how each part was coded and why',
    )
    .argument('<d>', 'the delta')
    .option(
      '--old <a>',
      'the old file or tar: also build once more (profile small) to say what the engine spends bytes on',
    )
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText('after', '\nExample:\n  $ rivulet delta inspect r1-r2.delta')
    .action(async (path: string, options: InspectOptions) => {
      const { inspect } = await import('../delta/inspect.ts');
      await inspect(path, options);
    });
}
