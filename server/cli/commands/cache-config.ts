import { mkdir, writeFile } from 'node:fs/promises';
import { dirname, join } from 'node:path';
import { Option, type Command } from 'commander';

import { loadCacheConfig } from '../../config-load.ts';
import { cachePoint } from '../cache-config/cache-point.ts';
import { containerdFiles, k3sFiles, podmanFiles, type NodeFile } from '../cache-config/files.ts';

const CLIENTS = { containerd: containerdFiles, k3s: k3sFiles, podman: podmanFiles } as const;

interface ConfigOptions {
  readonly for: keyof typeof CLIENTS;
  readonly ca?: string;
  readonly out?: string;
  readonly config?: string;
  readonly upstream?: string;
  readonly region?: string;
  readonly listen?: string;
  readonly publicUrl?: string;
}

/** `rivulet cache config`: what a node's clients need to pull through the cache. */
export function addCacheConfig(cache: Command): void {
  cache
    .command('config')
    .description("print the files that lead a node's container tools to a cache, ready to paste")
    .addOption(
      new Option('--for <client>', 'whose files')
        .choices(Object.keys(CLIENTS))
        .makeOptionMandatory(),
    )
    .option('--config <file>', "the cache's settings; flags and RIVULET_* go before it")
    .option('--public-url <url>', 'the base URL that nodes reach it by')
    .option('--listen <host:port>', 'where it answers, when that is how nodes reach it')
    .option('--upstream <url>', 'its origin')
    .option('--region <name>', 'its region')
    .option('--ca <file>', "where nodes keep the authority of the cache's certificate, PEM")
    .option('--out <dir>', 'write the files below this folder instead of printing them')
    .addHelpText(
      'after',
      '\nExamples:\n  $ rivulet cache config --for containerd --config region.yaml --public-url http://cache.lan:8481\n  $ sudo rivulet cache config --for k3s --config region.yaml --out /',
    )
    // What both commands know is given to the first of them.
    .action(async (_own: ConfigOptions, command: Command) => {
      await printConfig(command.optsWithGlobals<ConfigOptions>());
    });
}

async function printConfig(options: ConfigOptions): Promise<void> {
  const { for: client, ca, out, config: file, upstream, region, listen, publicUrl } = options;
  const flags = { upstream, region, listen, publicUrl };
  const config = await loadCacheConfig({ flags, env: process.env, file });
  const files = CLIENTS[client](cachePoint(config, ca));
  if (out === undefined) process.stdout.write(files.map(asText).join('\n'));
  else for (const each of files) await write(out, each);
}

function asText({ path, text }: NodeFile): string {
  return `# ${path}\n${text}`;
}

async function write(folder: string, { path, text }: NodeFile): Promise<void> {
  const target = join(folder, path);
  await mkdir(dirname(target), { recursive: true });
  await writeFile(target, text);
  process.stdout.write(`${target}\n`);
}
