import type { Command } from 'commander';

import type { Descriptor } from '../../../storage/descriptor.ts';
import { parseRepoName, parseTag, type RepoName, type Tag } from '../../../storage/names.ts';
import { watchDeltas } from '../delta-watch.ts';
import { parseServerUrl } from '../http-client.ts';
import { createOutput, formatBytes, type Bar, type Output } from '../output.ts';
import { PushClient } from '../push-client.ts';
import { openSource } from '../sources/source.ts';
import { splitTag } from '../sources/split-tag.ts';

/** `rivulet push`: sends an image or an index to an origin. */
export function addPush(program: Command): void {
  program
    .command('push')
    .description('push an image or a multi-arch index to an origin')
    .argument(
      '<source>',
      'oci:DIR[:TAG], oci-archive:FILE[:TAG], docker-archive:FILE or rootfs:TAR',
    )
    .argument('<name>', 'NAME[:TAG] on the server; the tag is the channel that devices follow')
    .requiredOption('--server <url>', 'the origin')
    .option('--platform <os/arch[/variant]>', 'platform of a rootfs tar', 'linux/amd64')
    .option('--token <token>', 'a token that grants the push (better: RIVULET_TOKEN)')
    .option('--wait', 'wait until the deltas to this release are decided')
    .option('--json', 'JSON lines on stdout instead of prose')
    .addHelpText(
      'after',
      '\nExample:\n  $ rivulet push oci:./release-2:v2 shop/till:stable --server http://127.0.0.1:8480 --wait',
    )
    .action(async (source: string, name: string, options: PushOptions) => {
      const { path, tag } = splitTag(name);
      const repo = parseRepoName(path);
      await push(source, repo, parseTag(tag ?? 'latest'), options);
    });
}

interface PushOptions {
  readonly server: string;
  readonly platform: string;
  readonly token?: string;
  readonly wait?: true;
  readonly json?: true;
}

async function push(from: string, repo: RepoName, tag: Tag, options: PushOptions): Promise<void> {
  const server = parseServerUrl(options.server);
  const output = createOutput(options.json === true);
  const token = options.token ?? process.env['RIVULET_TOKEN'];
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
