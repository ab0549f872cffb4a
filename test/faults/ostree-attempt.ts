import { execFileSync } from 'node:child_process';
import { join } from 'node:path';
import { expect } from 'vitest';

import { startFaultProxy, type Fault } from './ostree-fault-proxy.ts';
import { PLAIN, REF, SIGNED, type OstreeWorld } from './ostree-world.ts';

/** A pull in which something goes wrong. */
export interface Attempt {
  /** Which file's answer is spoiled, the first one time. */
  readonly path: RegExp;
  readonly fault: Fault;
  /** The client finds no summary and asks for the ref. */
  readonly hidesSummary?: boolean;
  /** Keys with which commits and summary must be signed; without, none is asked for. */
  readonly keys?: Buffer | undefined;
  /** Options of `ostree pull`. */
  readonly options?: readonly string[];
  /** What the client may fail with; without it, it has to end right. */
  readonly says?: RegExp | undefined;
}

/**
 * Updates a fresh repository from the first commit to the second with a spoiled answer. The pull ends
 * right or says why; a ref names a commit that is whole, the old one or the new; and the same pull
 * without the fault ends right.
 */
export async function attemptPull(world: OstreeWorld, attempt: Attempt): Promise<void> {
  const { path, fault, keys, hidesSummary = false, options = [], says } = attempt;
  const proxy = await startFaultProxy(world.rig.origin.url);
  try {
    const repo = keys === undefined ? PLAIN : SIGNED;
    const client = await world.client(`${proxy.url}/ostree/${repo}`, {
      keys,
      signedSummary: !hidesSummary,
    });
    if (hidesSummary) proxy.spoil(/\/summary(\.sig)?$/, { kind: 'status', status: 404 }, Infinity);
    const [first, second] = world.commits;
    await client.pull('--disable-static-deltas', 'origin', `${REF}@${first}`);
    const before = proxy.spoiled(path);
    proxy.spoil(path, fault);
    const fails = await client.pull(...options, 'origin', REF).then(
      () => undefined,
      (error: unknown) => (error instanceof Error ? error.message : String(error)),
    );
    expect(proxy.spoiled(path)).toBe(before + 1);
    if (fails !== undefined) expect(fails).toMatch(says ?? /^$/);
    const now = (await client.run('rev-parse', `origin:${REF}`)).trim();
    expect(now).toBe(fails === undefined ? second : first);
    await client.run('fsck');
    if (fails !== undefined) {
      await client.pull(...options, 'origin', REF);
      expect((await client.run('rev-parse', `origin:${REF}`)).trim()).toBe(second);
      await client.run('fsck');
    }
    await client.run('checkout', '--user-mode', `origin:${REF}`, 'out');
    expectSameTree(join(client.dir, 'out'), world.source.tree);
  } finally {
    await proxy.close();
  }
}

function expectSameTree(one: string, other: string): void {
  execFileSync('diff', ['-r', '--no-dereference', one, other], { stdio: 'pipe' });
}
