import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

import { mintSecret, secretDigest } from '../../server/auth/tokens.ts';
import { PushClient } from '../../server/cli/push-client.ts';
import { openSource } from '../../server/cli/sources/source.ts';
import { loadServerConfig } from '../../server/config-load.ts';
import type { ServerConfig, TlsConfig } from '../../server/config.ts';
import { openStore } from '../../server/open-store.ts';
import { startOrigin } from '../../server/origin.ts';
import { parseRepoName, parseTag } from '../../storage/names.ts';
import { makeHome } from './client-environment.ts';
import { runTool, type ToolOptions } from './run-tool.ts';

/** A whole origin on loopback and a home for a client that shares nothing with the user's own. */
export interface ClientRig {
  /** For whatever the test writes; removed at the end. */
  readonly dir: string;
  readonly url: string;
  /** Host and port, as image references begin. */
  readonly host: string;
  readonly env: NodeJS.ProcessEnv;
  /** Runs a client in that home to its end; its stdout. */
  readonly run: (program: string, args: readonly string[], more?: ToolOptions) => Promise<string>;
  /** Pushes the image layout in a folder with our own client; the digest of what is tagged. */
  readonly push: (layout: string, repo: string, tag: string, token?: string) => Promise<string>;
  /** Makes a token beside the running origin, as `rivulet token create` does; its secret. */
  readonly token: (name: string, ...grants: string[]) => Promise<string>;
  /** Gives `work` an origin over the same store that speaks plain HTTP; over TLS, a second one. */
  readonly plain: <T>(work: (url: string) => Promise<T>) => Promise<T>;
  readonly close: () => Promise<void>;
}

/**
 * Starts an origin with all its routes; without `access`, everyone may do everything. `tls` makes the
 * files in the rig's folder (`tls-rig.ts`).
 */
export async function startClientRig(
  name: string,
  access?: Readonly<Record<string, readonly string[]>>,
  tls?: (dir: string) => TlsConfig,
): Promise<ClientRig> {
  const dir = await mkdtemp(join(tmpdir(), `rivulet-${name}-`));
  const data = join(dir, 'data');
  const flags = { data, listen: '127.0.0.1:0', access, tls: tls?.(dir) };
  const env = { RIVULET_MATRIX_BUILDERS: '0', RIVULET_LOG_LEVEL: 'silent' };
  const config = await loadServerConfig({ flags, env });
  const origin = await startOrigin(config);
  const environment = await makeHome(join(dir, 'home'));
  const plain: ClientRig['plain'] = (work) =>
    config.tls === undefined ? work(origin.url) : withPlainOrigin(config, work);
  return {
    dir,
    url: origin.url,
    host: new URL(origin.url).host,
    env: environment,
    run: (program, args, more) => runTool(program, args, { cwd: dir, env: environment, ...more }),
    push: (...args) => plain((url) => pushLayout(url, ...args)),
    plain,
    token: (name, ...grants) => createToken(config, name, grants),
    async close() {
      await origin.close();
      await rm(dir, { recursive: true, force: true });
    },
  };
}

/** It asks nobody who they are; they are this test only. */
async function withPlainOrigin<T>(
  config: ServerConfig,
  work: (url: string) => Promise<T>,
): Promise<T> {
  const origin = await startOrigin({ ...config, tls: undefined, access: undefined });
  try {
    return await work(origin.url);
  } finally {
    await origin.close();
  }
}

async function pushLayout(url: string, layout: string, repo: string, tag: string, token?: string) {
  const source = await openSource(`oci:${layout}:${tag}`, 'linux/amd64');
  try {
    const silent = { blob: () => undefined, bytes: () => undefined };
    const client = new PushClient(new URL(url), parseRepoName(repo), source, silent, token);
    await client.push(parseTag(tag));
    return source.root.digest;
  } finally {
    await source.close();
  }
}

async function createToken(config: ServerConfig, name: string, grants: readonly string[]) {
  const secret = mintSecret();
  const store = await openStore(config);
  try {
    await store.catalog.tokens.create(secretDigest(secret), { name, grants });
  } finally {
    await store.close();
  }
  return secret;
}

/** Says which client the tests ran against; `text` is what it prints of itself. */
export function printVersion(client: string, text: string): void {
  const version = /\d+\.\d+(\.\d+)?\S*/.exec(text)?.[0];
  if (version === undefined) throw new Error(`${client} does not say its version: ${text}`);
  process.stdout.write(`client ${client} ${version}\n`);
}
