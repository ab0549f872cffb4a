import type { Command } from 'commander';

import { parseRepoName } from '../../../storage/names.ts';
import { openRemote } from '../ostree/open-source.ts';
import type { CommitOptions } from '../ostree/push-options.ts';
import { pushSource } from '../ostree/push-source.ts';

/** `rivulet mirror ostree`: takes a ref of a repository on the web over to an origin. */
export function addMirror(program: Command): void {
  const mirror = program
    .command('mirror')
    .description('take over what another server publishes')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet mirror ostree https://example.org/repo os/x86_64/stable fleet/os --server http://127.0.0.1:8480',
    );
  mirror
    .command('ostree')
    .description('push the commit of a ref in an OSTree archive repository behind HTTP')
    .argument('<url>', 'the repository (its folder)')
    .argument('<ref>', 'a ref in it, or the checksum of a commit')
    .argument('<name>', 'NAME on the server')
    .requiredOption('--server <url>', 'the origin')
    .option('--branch <ref>', 'the ref to move on the server (default: REF)')
    .option('--depth <number>', 'how many parents go too, or all (default: none)')
    .option('--force', 'move the ref even if it moved during the mirroring')
    .option('--token <token>', 'a token that grants the push (better: RIVULET_TOKEN)')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet mirror ostree https://example.org/repo os/x86_64/stable fleet/os --server http://127.0.0.1:8480',
    )
    .action(async (url: string, ref: string, name: string, options: CommitOptions) => {
      await pushSource(() => openRemote(url, ref), parseRepoName(name), options);
    });
}
