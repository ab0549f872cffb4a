import { mkdir, mkdtemp } from 'node:fs/promises';
import { join } from 'node:path';

import { agentArgs, startAgent, type AgentOptions } from '../interrupt/agent-run.ts';
import type { Shape } from '../interrupt/releases.ts';
import { wholeRelease } from '../interrupt/whole-release.ts';
import { World, type Leg } from '../interrupt/world.ts';
import { watchNode } from './watch-process.ts';

/** One update from release to release. */
export interface UpdateCost {
  readonly plan: string;
  readonly wireBytes: number;
  readonly ms: number;
  readonly cpuMs: number;
  readonly peakRssBytes: number;
  /** Bytes that it wrote into its folder. */
  readonly writtenBytes: number;
}

/** What updates by every plan take: of one device for time and memory, of another for writes. */
export async function measureUpdates(
  dir: string,
  dist: string,
  shape: Shape,
): Promise<readonly UpdateCost[]> {
  const world = await World.start(join(dir, 'world'), dist, shape);
  try {
    const watched = await device(dir, dist, world, 'bench-watched');
    const counted = await device(dir, dist, world, 'bench-counted');
    const costs: UpdateCost[] = [];
    for (const leg of world.legs) {
      const { channel } = leg;
      const { ms, cpuMs, peakRssBytes, stdout, stderr } = await watchNode(
        agentArgs({ ...watched, channel }),
      );
      await expectRelease(watched.data, leg, stderr);
      const writtenBytes = await countWrites(counted, leg, join(dir, 'disk.json'));
      const { plan, bytes } = resultOf(stdout);
      costs.push({ plan, wireBytes: bytes, ms, cpuMs, peakRssBytes, writtenBytes });
    }
    return costs;
  } finally {
    await world.stop();
  }
}

type Device = Omit<AgentOptions, 'channel'>;

async function device(dir: string, dist: string, world: World, deviceId: string): Promise<Device> {
  const data = join(await mkdtemp(join(dir, 'device-')), 'data');
  await mkdir(data);
  return { dist, data, deviceId, server: world.url };
}

/** The same update with a disk below it that counts. */
async function countWrites(options: Device, leg: Leg, report: string): Promise<number> {
  const { data } = options;
  const never = Number.MAX_SAFE_INTEGER;
  const disk = { root: data, kind: 'cut', at: never, seed: '', report } as const;
  const end = await startAgent({ ...options, channel: leg.channel, disk }).done;
  await expectRelease(data, leg, end.stderr);
  return end.disk?.writtenBytes ?? 0;
}

async function expectRelease(data: string, leg: Leg, stderr: string): Promise<void> {
  const found = await wholeRelease(data);
  if (found !== leg.to.image.manifest.digest) {
    throw new Error(`the update to ${leg.to.name} failed: ${stderr}`);
  }
}

function resultOf(stdout: string): { readonly plan: string; readonly bytes: number } {
  const last = stdout.trim().split('\n').at(-1) ?? '';
  return JSON.parse(last) as { plan: string; bytes: number };
}
