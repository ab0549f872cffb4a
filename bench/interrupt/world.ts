import { execFile } from 'node:child_process';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { promisify } from 'node:util';

import { DEVICE_HEADER } from '../../delta/agent/protocol.ts';
import type { DeviceLink } from './link/device-link.ts';
import { startLinkServer, type LinkServer } from './link/link-server.ts';
import { makeReleases, PLATFORM, type Release, type Shape } from './releases.ts';
import { ServerProcess } from './server-process.ts';

const run = promisify(execFile);

export const PRODUCT = 'bench/app';
const REGION = 'eu';
const READY_MS = 60_000;

/** One way from release to release. */
export interface Leg {
  readonly from: Release | undefined;
  readonly to: Release;
  /** The tag to follow: the one whose history plans this leg's delta, or none. */
  readonly channel: string;
  /** The plan that is offered first. */
  readonly plan: 'delta' | 'chunks' | 'full';
}

/** An origin and a regional cache as processes, and the links that devices reach them by. */
export class World {
  readonly legs: readonly Leg[];
  readonly origin: ServerProcess;
  readonly cache: ServerProcess;
  /** The URL that devices are given. */
  readonly url: string;
  readonly #links: Map<string, DeviceLink>;
  readonly #servers: readonly LinkServer[];

  private constructor(
    parts: Pick<World, 'legs' | 'origin' | 'cache' | 'url'>,
    links: Map<string, DeviceLink>,
    servers: readonly LinkServer[],
  ) {
    this.legs = parts.legs;
    this.origin = parts.origin;
    this.cache = parts.cache;
    this.url = parts.url;
    this.#links = links;
    this.#servers = servers;
  }

  /** Starts it with its releases pushed and their deltas published. `dist` holds our programs. */
  static async start(dir: string, dist: string, shape: Shape): Promise<World> {
    await mkdir(dir, { recursive: true });
    const cli = join(dist, 'server/cli/main.js');
    const links = new Map<string, DeviceLink>();
    const running: { origin?: ServerProcess; cache?: ServerProcess } = {};
    const toOrigin = await startLinkServer(
      () => running.origin?.url ?? '',
      (id) => links.get(id),
      'blobs',
    );
    const toCache = await startLinkServer(
      () => running.cache?.url ?? '',
      (id) => links.get(id),
      'everything',
    );
    const origin = await ServerProcess.start(
      cli,
      ['serve', '--config', await originConfig(dir)],
      join(dir, 'origin.log'),
    );
    running.origin = origin;
    const legs = await pushReleases(dir, cli, origin.url, shape);
    const cache = await ServerProcess.start(
      cli,
      ['cache', '--config', await cacheConfig(dir, toOrigin.url)],
      join(dir, 'cache.log'),
    );
    running.cache = cache;
    const parts = { legs, origin, cache, url: toCache.url };
    const world = new World(parts, links, [toOrigin, toCache]);
    await world.#ready();
    return world;
  }

  join(deviceId: string, link: DeviceLink): void {
    this.#links.set(deviceId, link);
  }

  /** Resolves when both servers are up. */
  async up(): Promise<void> {
    await Promise.all([this.cache.up(), this.origin.up()]);
  }

  /** How often servers were killed. */
  get crashes(): number {
    return this.cache.crashes + this.origin.crashes;
  }

  async stop(): Promise<void> {
    for (const server of this.#servers) await server.close();
    await this.cache.stop();
    await this.origin.stop();
  }

  /** Waits until every leg is offered the plan that it is there for. */
  async #ready(): Promise<void> {
    const endMs = Date.now() + READY_MS;
    for (const leg of this.legs) {
      for (;;) {
        const plan = await firstPlan(this.cache.url, leg);
        if (plan === leg.plan) break;
        if (Date.now() > endMs) throw new Error(`${leg.channel} offers ${plan}, not ${leg.plan}`);
        await sleep(100);
      }
    }
  }
}

async function originConfig(dir: string): Promise<string> {
  const path = join(dir, 'origin.json');
  const config = {
    data: join(dir, 'origin'),
    logLevel: 'error',
    // Of each channel the pair of its last two releases, and nothing that devices ask for.
    matrix: { releases: 1, liveMs: 0, reconcileMs: 1000 },
  };
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Plans name the origin as the cache calls it: by its link. */
async function cacheConfig(dir: string, upstream: string): Promise<string> {
  const path = join(dir, 'cache.json');
  const data = join(dir, 'cache');
  const config = { data, upstream, region: REGION, logLevel: 'error', refreshMs: 500 };
  await writeFile(path, JSON.stringify(config));
  return path;
}

/** Pushes so that there are deltas between `one` and `two`, both ways, and none to or from `three`. */
async function pushReleases(
  dir: string,
  cli: string,
  server: string,
  shape: Shape,
): Promise<readonly Leg[]> {
  const [one, two, three] = await makeReleases(join(dir, 'releases'), shape);
  const push = async (release: Release, channel: string): Promise<void> => {
    const name = `${PRODUCT}:${channel}`;
    const args = [cli, 'push', release.source, name, '--server', server, '--wait', '--json'];
    await run(process.execPath, args);
  };
  for (const release of [one, two]) await push(release, 'forth');
  for (const release of [two, one]) await push(release, 'back');
  await push(three, 'side');
  return [
    { from: undefined, to: one, channel: 'back', plan: 'full' },
    { from: one, to: two, channel: 'forth', plan: 'delta' },
    { from: two, to: one, channel: 'back', plan: 'delta' },
    { from: one, to: three, channel: 'side', plan: 'chunks' },
    { from: three, to: two, channel: 'forth', plan: 'chunks' },
  ];
}

async function firstPlan(url: string, { from, channel }: Leg): Promise<string> {
  const digest = from?.image.manifest.digest;
  const answer = await fetch(`${url}/v1/check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', [DEVICE_HEADER]: 'bench-ready' },
    body: JSON.stringify({
      product: PRODUCT,
      channel,
      os: PLATFORM.os,
      arch: PLATFORM.architecture,
      current: digest === undefined ? [] : [{ kind: 'oci', name: PRODUCT, digest }],
      accept: ['delta', 'chunks', 'full'],
    }),
  });
  if (answer.status !== 200) return `status ${answer.status}`;
  const { plans } = (await answer.json()) as { readonly plans: readonly { kind: string }[] };
  return plans[0]?.kind ?? 'no plan';
}
