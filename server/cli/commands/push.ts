import type { Command } from 'commander';

import type { Descriptor } from '../../../storage/descriptor.ts';
import { parseRepoName, parseTag, type RepoName, type Tag } from '../../../storage/names.ts';
import { ServerError } from '../../errors.ts';
import { watchDeltas } from '../delta-watch.ts';
import { parseServerUrl } from '../http-client.ts';
import { openLocal, openTar } from '../ostree/open-source.ts';
import { checkOptions, kindOf, splitForm } from '../ostree/push-kinds.ts';
import { tokenOf, type CommitOptions } from '../ostree/push-options.ts';
import { pushRootfs } from '../ostree/push-rootfs.ts';
import { pushSource } from '../ostree/push-source.ts';
import { createOutput, formatBytes, type Bar, type Output } from '../output.ts';
import { PushClient } from '../push-client.ts';
import { openSource, SOURCE_FORMS } from '../sources/source.ts';
import { splitTag } from '../sources/split-tag.ts';

/** `rivulet push`: sends an image, an index or an OSTree commit to an origin. */
export function addPush(program: Command): void {
  program
    .command('push')
    .description('push an image, a multi-arch index or an OSTree commit to an origin')
    .argument('<source>', SOURCE_FORMS)
    .argument(
      '<name>',
      'NAME[:TAG] on the server; the tag is the channel that devices follow. OSTree: NAME, see --branch',
    )
    .requiredOption('--server <url>', 'the origin')
    .option('--platform <os/arch[/variant]>', 'platform of a rootfs tar', 'linux/amd64')
    .option(
      '--branch <ref>',
      'OSTree: the ref to move (default: REF). With a rootfs: make a commit',
    )
    .option('--depth <number>', 'OSTree: how many parents go too, or all (default: none)')
    .option('--force', 'OSTree: move the ref even if it moved during the push')
    .option('--subject <text>', 'of the commit that the server makes of a rootfs')
    .option('--body <text>', 'of that commit')
    .option('--timestamp <time>', 'of that commit: seconds since 1970 or a date (default: now)')
    .option('--token <token>', 'a token that grants the push (better: RIVULET_TOKEN)')
    .option('--wait', 'wait until the deltas to this release are decided')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText(
      'after',
      `
Examples:
  $ rivulet push oci:./release-2:v2 shop/till:stable --server http://127.0.0.1:8480 --wait
  $ rivulet push ostree:./repo:os/x86_64/stable fleet/os --server http://127.0.0.1:8480
  $ rivulet push rootfs:./root.tar fleet/os --branch os/x86_64/stable --server http://127.0.0.1:8480`,
    )
    .action(pushAny);
}

interface PushOptions extends CommitOptions {
  readonly platform: string;
  readonly subject?: string;
  readonly body?: string;
  readonly timestamp?: string;
  readonly wait?: true;
}

async function pushAny(from: string, name: string, options: PushOptions): Promise<void> {
  const { form, rest } = splitForm(from);
  const { branch } = options;
  const kind = kindOf(form, branch);
  checkOptions(kind, { ...options });
  const { path, tag } = splitTag(name);
  const repo = parseRepoName(path);
  if (kind === 'image') {
    await push(from, repo, parseTag(tag ?? 'latest'), options);
    return;
  }
  if (tag !== undefined) {
    throw new ServerError(
      'usage',
      `${name}: an OSTree repository has no tags, its refs are moved by --branch`,
    );
  }
  if (branch !== undefined && kind === 'rootfs-commit') {
    await pushRootfs(rest, repo, { ...options, branch });
    return;
  }
  await pushSource(() => (form === 'ostree' ? openLocal(rest) : openTar(rest)), repo, options);
}

async function push(from: string, repo: RepoName, tag: Tag, options: PushOptions): Promise<void> {
  const server = parseServerUrl(options.server);
  const output = createOutput(options.json === true);
  const token = tokenOf(options);
  const source = await openSource(from, options.platform);
  try {
    const totals = { sent: 0, exists: 0, bytes: 0 };
    const client = new PushClient(server, repo, source, pushEvents(output, totals), token);
    await client.push(tag);
    output.finish();
    const { digest } = source.root;
    output.say(`pushed ${repo}:${tag} ${digest}`);
    output.say(
      `  ${totals.sent} blobs and manifests sent (${formatBytes(totals.bytes)}), ${totals.exists} were there`,
    );
    output.event({ event: 'pushed', repo, tag, digest, ...totals });
    if (options.wait === true) await watchDeltas(server, repo, tag, digest, output, token);
  } finally {
    output.finish();
    await source.close();
  }
}

function pushEvents(
  output: Output,
  totals: { sent: number; exists: number; bytes: number },
): ConstructorParameters<typeof PushClient>[3] {
  const bars = new Map<string, Bar>();
  const short = ({ digest }: Descriptor): string => digest.slice(0, 19);
  return {
    blob(descriptor, state) {
      totals[state] += 1;
      if (state === 'sent') totals.bytes += descriptor.size;
      output.event({ event: 'blob', digest: descriptor.digest, size: descriptor.size, state });
    },
    bytes(descriptor, done) {
      let bar = bars.get(descriptor.digest);
      if (bar === undefined) {
        bar = output.bar(short(descriptor), descriptor.size, 'bytes');
        bars.set(descriptor.digest, bar);
      }
      bar.update(done);
    },
  };
}
