import { readdir } from 'node:fs/promises';
import { join } from 'node:path';

import { measure } from '../../engine/measure.ts';
import { makeScratch } from '../../scratch.ts';
import { REF, type Commits } from '../corpus/open-trees.ts';
import type { OstreeTool } from '../ostree-tool.ts';
import { startCountingProxy, type Traffic } from './counting-proxy.ts';

export interface PullTask {
  readonly client: OstreeTool;
  /** Base URL of the repository. */
  readonly url: string;
  readonly commits: Commits;
  /** `update`: the client holds the first commit; `scratch`: nothing. */
  readonly kind: 'update' | 'scratch';
}

/** A pull that ended right. */
export interface Pulled {
  readonly traffic: Traffic;
  readonly wallSeconds: number;
}

/**
 * Pulls the second commit into a fresh repository by the unmodified client, through a proxy that
 * counts. Throws unless the client then has that very commit, whole: `ostree fsck` checks every
 * object, and nothing is marked as partial.
 */
export async function pullOnce({ client, url, commits, kind }: PullTask): Promise<Pulled> {
  const { path: dir, remove } = await makeScratch('pull');
  const { origin, pathname } = new URL(url);
  const proxy = await startCountingProxy(origin);
  const repo = join(dir, 'repo');
  const run = (command: string, ...args: string[]): Promise<string> =>
    client.run(command, `--repo=${repo}`, ...args);
  try {
    await run('init', '--mode=bare-user');
    await run('config', 'set', 'core.fsync', 'false');
    const remote = `${proxy.url}${pathname.replace(/\/$/, '')}`;
    await run('remote', 'add', '--no-gpg-verify', 'origin', remote);
    if (kind === 'update') {
      await run('pull-local', commits.repo, commits.from);
      await run('refs', `--create=origin:${REF}`, commits.from);
    }
    const { wallSeconds } = await measure(client.path, ['pull', `--repo=${repo}`, 'origin', REF]);
    const traffic = proxy.traffic();
    await expectWhole(run, repo, commits);
    return { traffic, wallSeconds };
  } finally {
    await proxy.close();
    await remove();
  }
}

async function expectWhole(
  run: (command: string, ...args: string[]) => Promise<string>,
  repo: string,
  { to }: Commits,
): Promise<void> {
  const pulled = (await run('rev-parse', `origin:${REF}`)).trim();
  if (pulled !== to) throw new Error(`the client pulled ${pulled}, not ${to}`);
  await run('fsck', '--quiet');
  const partial = (await readdir(join(repo, 'state'))).filter((name) => name.startsWith(to));
  if (partial.length > 0) throw new Error(`the client has ${to} in parts only`);
}
