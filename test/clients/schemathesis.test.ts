import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterEach, beforeEach, describe, expect, it, onTestFinished } from 'vitest';

import { loadContract, type Contract } from '../../server/http/validate.ts';
import { startLiveCache, startLiveOrigin, type LiveServer } from '../server/live-servers.ts';
import { needTool } from './require.ts';
import { CHECKS, runSchemathesis, type FuzzOptions } from './schemathesis-run.ts';
import { seedOrigin } from './schemathesis-seed.ts';

const program = needTool('schemathesis');

describe.skipIf(program === undefined)('schemathesis', { timeout: 600_000 }, () => {
  let dir = '';
  let contract: Contract;

  beforeEach(async () => {
    dir = await mkdtemp(join(tmpdir(), 'rivulet-fuzz-'));
    contract = await loadContract();
  });
  afterEach(() => rm(dir, { recursive: true, force: true }));

  /** Every answer keeps to the contract. */
  async function fuzz(options: Omit<FuzzOptions, 'program' | 'dir' | 'document'>): Promise<void> {
    const { document } = contract;
    const { code, output } = await runSchemathesis({
      ...options,
      program: program ?? '',
      dir,
      document,
    });
    expect(code, output).toBe(0);
  }

  it('finds no answer of an origin outside the contract, and reaches every operation', async () => {
    const { url, log, close } = await startLiveOrigin(dir);
    onTestFinished(close);
    await fuzz({ url, seed: await seedOrigin(url), examples: 15 });
    // Objects of OSTree can't be made up: test/server/ostree drives each of its operations to success.
    const operations = contract.operations
      .map(({ method, path }) => `${method} ${path}`)
      .filter((operation) => !/ \/(ostree|api\/v1\/build)\b/.test(operation));
    const done = new Set(
      log.answered.filter(({ status }) => status < 400).map(({ operation }) => operation),
    );
    expect(operations.filter((operation) => !done.has(operation))).toEqual([]);
  });

  it('finds none where a token may do little', async () => {
    const access = { anonymous: ['pull:public/**'], 'token:some': ['pull:demo/*'] };
    const origin = await startLiveOrigin(dir, { access });
    const { url, makeToken, close } = origin;
    onTestFinished(close);
    const all = {
      authorization: `Bearer ${await makeToken('all', ['push:**', 'delete:**', 'admin:**'])}`,
    };
    const some = { authorization: `Bearer ${await makeToken('some', ['pull:demo/*'])}` };
    const seed = await seedOrigin(url, all);
    await fuzz({ url, seed, examples: 4, headers: some });
    expect(statusesOf(origin)).toEqual(expect.arrayContaining([200, 403, 404]));
    await fuzz({ url, seed, examples: 1, phases: ['examples'] });
    expect(statusesOf(origin)).toContain(401);
  });

  it('finds none at a cache', async () => {
    const origin = await startLiveOrigin(dir);
    onTestFinished(origin.close);
    const seed = await seedOrigin(origin.url);
    const cache = await startLiveCache(dir, origin.url);
    const { url } = cache;
    onTestFinished(cache.close);
    // Its `Allow` is a mirror's: the contract tells of an origin's methods.
    const checks = CHECKS.filter((check) => check !== 'allow_header_conformance');
    const tokens = ['getRegistryToken', 'postRegistryToken', 'listTokens', 'createToken'];
    const without = ['listDeltas', 'listStaticDeltas', 'listDevices', ...tokens, 'revokeToken'];
    await fuzz({ url, seed, examples: 5, checks, without, withoutTags: ['ostree'] });
    expect(statusesOf(cache)).toEqual(expect.arrayContaining([200, 204, 206, 404, 405]));
  });
});

function statusesOf({ log }: LiveServer): readonly number[] {
  return log.answered.map(({ status }) => status);
}
