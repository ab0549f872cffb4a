import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import type { OstreeDecision } from '../../delta/agent/ostree-protocol.ts';
import { AGE_HEADER, DEVICE_HEADER, REASON_HEADER } from '../../delta/agent/protocol.ts';
import type { Checksum } from '../../delta/ostree/objects/checksum.ts';
import { fillTree, RealRepo } from '../delta/ostree/real-repo.ts';
import { startLiveCache } from '../server/live-servers.ts';
import { until } from '../server/cache/tools.ts';
import { buildStaticDeltas } from '../server/ostree/delta-work.ts';
import { ostree, Pusher, REPO, startOstreeRig, type OstreeRig } from '../server/ostree/rig.ts';
import { noise } from '../storage/chunk/material.ts';
import { startBodyCounter, type BodyCounter } from './body-counter.ts';
import { needTool } from './require.ts';

const OSTREE = needTool('ostree');
const REF = 'os/x86_64/stable';
/** More than the last commits from which policy builds deltas (two: `buildStaticDeltas`). */
const COMMITS = 5;

describe.skipIf(OSTREE === undefined)('ostree pulls what a check said', () => {
  let rig: OstreeRig;
  let source: RealRepo;
  let proxy: BodyCounter;
  const commits: Checksum[] = [];

  function change(version: number): void {
    const program = Buffer.from(noise(1_000_000, 'program'));
    noise(2000, `version ${version}`).copy(program, 500_000);
    writeFileSync(join(source.tree, 'usr', 'bin', 'program'), program);
    // Of no use to a delta: a fallback.
    writeFileSync(join(source.tree, 'usr', 'noise'), noise(1_200_000, `noise ${version}`));
  }

  beforeAll(async () => {
    rig = await startOstreeRig();
    proxy = await startBodyCounter(rig.origin.url);
    source = new RealRepo('archive');
    const pusher = new Pusher(rig.url);
    fillTree(source.tree);
    for (let version = 0; version < COMMITS; version += 1) {
      change(version);
      commits.push(source.commit(REF, `--subject=${version}`));
      await pusher.push(source.path, REF, commits.at(-2) ?? null);
    }
  }, 180_000);
  afterAll(async () => {
    source.remove();
    await proxy.close();
    await rig.close();
  });

  const at = (version: number): Checksum => {
    const commit = commits[version];
    if (commit === undefined) throw new Error(`no version ${version}`);
    return commit;
  };

  function post(url: string, path: string, device: string, body: unknown): Promise<Response> {
    return fetch(`${url}${path}`, {
      method: 'POST',
      headers: { [DEVICE_HEADER]: device, 'content-type': 'application/json' },
      body: JSON.stringify(body),
    });
  }

  function check(url: string, device: string, commit: Checksum | undefined): Promise<Response> {
    return post(url, '/v1/check', device, {
      kind: 'ostree',
      product: REPO,
      channel: REF,
      current: commit === undefined ? [] : [{ kind: 'ostree', name: REPO, commit }],
      accept: ['ostree-delta', 'ostree-objects'],
    });
  }

  async function decide(url: string, device: string, commit?: Checksum): Promise<OstreeDecision> {
    const response = await check(url, device, commit);
    expect(response.status).toBe(200);
    return (await response.json()) as OstreeDecision;
  }

  /** A device's repository that holds the commit. */
  async function device(name: string, commit: Checksum) {
    const dir = join(rig.dir, name);
    mkdirSync(dir);
    const run = (command: string, ...args: string[]) =>
      ostree(dir, command, '--repo=repo', ...args);
    await run('init', '--mode=bare-user');
    await run('remote', 'add', '--no-gpg-verify', 'origin', `${proxy.url}/ostree/${REPO}`);
    await run('pull', '--disable-static-deltas', 'origin', `${REF}@${commit}`);
    return run;
  }

  it('from a commit older than the last ones: it waits, then takes the bytes that were said', async () => {
    const run = await device('old', at(0));
    const waiting = await check(proxy.url, 'gate-1', at(0));
    expect([waiting.status, waiting.headers.get(REASON_HEADER)]).toEqual([204, 'delta_building']);
    // Policy keeps what the check planned, and builds it beside the last commits' and from scratch.
    expect(await buildStaticDeltas(rig.origin.store)).toHaveLength(4);

    const decision = await decide(proxy.url, 'gate-1', at(0));
    const [plan] = decision.plans;
    const [url] = decision.repositories;
    expect(url).toBe(`${proxy.url}/ostree/${REPO}`);
    expect(decision.target.commit).toBe(at(4));
    expect(decision.plans.map(({ kind }) => kind)).toEqual(['ostree-delta', 'ostree-objects']);

    proxy.forget();
    const wanted = `${REF}@${decision.target.commit}`;
    await run('pull', '--require-static-deltas', `--url=${url ?? ''}`, 'origin', wanted);
    expect((await run('rev-parse', `origin:${REF}`)).trim()).toBe(at(4));
    await run('fsck');
    const [, , , , checksum = ''] = (await run('ls', '-C', REF, '/usr/noise')).split(/\s+/);
    const fallback = new RegExp(`/${checksum.slice(0, 2)}/${checksum.slice(2)}\\.filez$`);
    expect(plan).toMatchObject({ fallbackBytes: proxy.bytes(fallback) });
    expect(proxy.bytes(/\/deltas\//) + proxy.bytes(fallback)).toBe(plan?.size);
    expect(proxy.answers(/\/deltas\//) + proxy.answers(fallback)).toBe(plan?.requests);
    console.info(`an update from a live commit: ${plan?.size} bytes, as the check said`);

    const { id, product, channel, from, target } = decision;
    const report = await post(proxy.url, `/v1/decisions/${id}/events`, 'gate-1', {
      kind: 'ostree',
      decision: { product, channel, from, to: target.commit },
      events: [
        { seq: 1, type: 'applied', atMs: 1, plan: plan?.kind, bytes: plan?.size },
        { seq: 2, type: 'healthy', atMs: 2 },
      ],
    });
    expect(await report.json()).toEqual({ recorded: 2 });
    const current = await check(proxy.url, 'gate-1', at(4));
    expect(current.headers.get(REASON_HEADER)).toBe('up_to_date');
  });

  it('without deltas it takes about what the check said of the objects', async () => {
    const run = await device('plain', at(1));
    const plan = (await decide(proxy.url, 'gate-2', at(2))).plans.at(-1);
    const fromOne = (await decide(proxy.url, 'gate-3')).plans.at(-1);
    await run('pull', '--disable-static-deltas', 'origin', `${REF}@${at(2)}`);
    proxy.forget();
    await run('pull', '--disable-static-deltas', 'origin', REF);
    const taken = proxy.bytes(/\.(commit|dirtree|dirmeta|filez)$/);
    expect(plan?.kind).toBe('ostree-objects');
    expect(Math.abs(taken - (plan?.size ?? 0))).toBeLessThan(taken / 20);
    expect(proxy.answers(/\.(commit|dirtree|dirmeta|filez)$/)).toBe(plan?.requests);
    expect(fromOne?.size).toBeGreaterThan(plan?.size ?? Infinity);
  });

  it('through a cache: forwarded with its URL, and decided alike when the origin is gone', async () => {
    const cache = await startLiveCache(rig.dir, proxy.url);
    try {
      const there = await decide(cache.url, 'gate-4', at(2));
      expect(there.repositories).toEqual(
        [cache.url, proxy.url].map((base) => `${base}/ostree/${REPO}`),
      );
      await until(async () => {
        const told = await fetch(`${cache.url}/v1/releases`);
        return (await told.text()).includes(at(2));
      });
      // What a device has pulled is there for the next.
      const run = await device('first', at(2));
      const mirror = `--url=${cache.url}/ostree/${REPO}`;
      await run('pull', '--require-static-deltas', mirror, 'origin', `${REF}@${at(4)}`);
      await proxy.close();
      const response = await check(cache.url, 'gate-4', at(2));
      expect(response.status).toBe(200);
      expect(response.headers.get(AGE_HEADER)).not.toBeNull();
      const { expiresMs, ...alone } = (await response.json()) as OstreeDecision;
      expect(expiresMs).toBeGreaterThan(0);
      expect(alone).toEqual({ ...there, expiresMs: undefined });
      const events = await post(cache.url, `/v1/decisions/${alone.id}/events`, 'gate-4', {
        kind: 'ostree',
        decision: { product: REPO, channel: REF, from: at(2), to: at(4) },
        events: [{ seq: 1, type: 'healthy', atMs: 2 }],
      });
      expect(events.status).toBe(202);
      const none = await check(cache.url, 'gate-4', at(4));
      expect(none.headers.get(REASON_HEADER)).toBe('up_to_date');
      const unknown = await post(cache.url, '/v1/check', 'gate-4', {
        kind: 'ostree',
        product: REPO,
        channel: 'os/none',
        current: [],
        accept: [],
      });
      expect(unknown.headers.get(REASON_HEADER)).toBe('no_release');
    } finally {
      await cache.close();
      proxy = await startBodyCounter(rig.origin.url);
    }
  });
});
