import type { Command } from 'commander';

import { parseRepoName } from '../../../storage/names.ts';
import { withScratch } from '../delta/scratch.ts';
import { exportDelta, type ExportOptions } from '../ostree/export-delta.ts';
import { createOutput, formatBytes } from '../output.ts';

const EXAMPLE =
  '\nExample:\n  $ rivulet export ostree fleet/os --from 1a376a15f57d... --to os/x86_64/stable -o update.delta --server http://127.0.0.1:8480' +
  '\n  $ ostree static-delta apply-offline update.delta   # on the device, from a stick';

/** `rivulet export ostree`: an update as one file, for devices that no network reaches. */
export function addExport(program: Command): void {
  program
    .command('export')
    .description('write what a server publishes into a file')
    .addHelpText('after', EXAMPLE)
    .command('ostree')
    .description(
      'write a static delta with all that it needs into one file, signed if a key is given',
    )
    .argument('<name>', 'NAME on the server')
    .requiredOption('--to <ref>', 'a ref, or the checksum of a commit')
    .option('--from <commit>', 'the commit that devices have (default: none, a whole one)')
    .requiredOption('-o, --out <file>', 'the file to write')
    .option('--sign-key <file>', 'an ed25519 secret key, as `ostree sign` takes it')
    .requiredOption('--server <url>', 'the origin, or a cache')
    .option('--token <token>', 'a token that grants the pull (better: RIVULET_TOKEN)')
    .option('--json', 'one JSON line on stdout instead of prose')
    .addHelpText('after', EXAMPLE)
    .action(async (name: string, options: ExportOptions & { readonly json?: true }) => {
      const output = createOutput(options.json === true);
      const report = await withScratch((scratch) =>
        exportDelta(parseRepoName(name), options, scratch),
      );
      output.event({ event: 'exported', out: options.out, ...report });
      const signed = report.signed ? ', signed' : '';
      output.say(
        `${options.out}: ${report.from ?? 'scratch'} to ${report.to}, ${formatBytes(report.bytes)}${signed}`,
      );
    });
}
