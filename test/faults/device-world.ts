import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { afterAll, beforeAll, beforeEach, expect } from 'vitest';

import { startAgent, type AgentEnd, type AgentOptions } from '../../bench/interrupt/agent-run.ts';
import { blobReader, heldBytes } from '../../bench/interrupt/held-bytes.ts';
import { DeviceLink, type LinkFault } from '../../bench/interrupt/link/device-link.ts';
import { SMALL } from '../../bench/interrupt/releases.ts';
import { wholeRelease } from '../../bench/interrupt/whole-release.ts';
import { World, type Leg } from '../../bench/interrupt/world.ts';

const DIST = resolve(import.meta.dirname, '../../dist');
const DEVICE = 'device-under-test';

/** An origin, a cache and a link as processes and servers of their own, and a fresh device per test. */
export class DeviceWorld {
  link = new DeviceLink(() => Promise.reject(new Error('no test runs')));
  #dir = '';
  #data = '';
  #world: World | undefined;
  #count = 0;

  /** Call at the top of a test file. */
  static use(): DeviceWorld {
    const world = new DeviceWorld();
    beforeAll(async () => {
      world.#dir = await mkdtemp(join(tmpdir(), 'rivulet-device-world-'));
      world.#world = await World.start(join(world.#dir, 'world'), DIST, SMALL);
    });
    afterAll(async () => {
      await world.#world?.stop();
      await rm(world.#dir, { recursive: true, force: true });
    });
    beforeEach(async () => {
      world.#count += 1;
      world.#data = join(world.#dir, `device-${world.#count}`);
      await mkdir(world.#data);
      const read = blobReader(() => world.servers.origin.url);
      world.link = new DeviceLink(() => heldBytes(world.#data, read));
      world.servers.join(DEVICE, world.link);
    });
    return world;
  }

  get servers(): World {
    if (this.#world === undefined) throw new Error('no test runs');
    return this.#world;
  }

  /** The device's folder. */
  get data(): string {
    return this.#data;
  }

  /** A file beside the device's folder. */
  get report(): string {
    return `${this.#data}.json`;
  }

  /** The way to a release by that plan; the first of that kind. */
  leg(plan: Leg['plan']): Leg {
    const leg = this.servers.legs.find((one) => one.plan === plan);
    if (leg === undefined) throw new Error(`no leg by ${plan}`);
    return leg;
  }

  /** One run on the way of a leg, over a link with that fault. */
  async update(
    leg: Leg,
    fault?: LinkFault,
    more: Partial<Pick<AgentOptions, 'server' | 'disk' | 'env' | 'more'>> = {},
  ): Promise<AgentEnd> {
    this.link.beginRun(fault === undefined ? [] : [fault]);
    const { url } = this.servers;
    const own = { dist: DIST, data: this.#data, deviceId: DEVICE, server: url };
    return startAgent({ ...own, channel: leg.channel, ...more }).done;
  }

  /** Installs what a leg starts from. */
  async install(leg: Leg): Promise<void> {
    const first = this.leg('full');
    await this.update(first);
    if (leg.from !== first.to) throw new Error('a leg from another release');
    await this.expectRunning(leg.from);
    this.link.beginLeg();
  }

  async expectRunning(release: Leg['from']): Promise<void> {
    expect(await wholeRelease(this.#data)).toBe(release?.image.manifest.digest);
  }

  /** The network is well again: now the release goes in. */
  async expectHeals(leg: Leg): Promise<void> {
    const { outcome, stderr } = await this.update(leg);
    expect({ outcome, stderr }).toMatchObject({ outcome: 'updated' });
    await this.expectRunning(leg.to);
  }
}
