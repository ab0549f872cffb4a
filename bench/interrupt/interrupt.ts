import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';

import { Random } from '../fuzz/random.ts';
import { DeviceLoop } from './device-loop.ts';
import { blobReader } from './held-bytes.ts';
import type { Kind, LegCost } from './interruptions.ts';
import { TINY } from './releases.ts';
import { Tally } from './tally.ts';
import { World } from './world.ts';

export interface InterruptRun {
  /** Folder of our compiled programs. */
  readonly dist: string;
  /** An empty folder to work in. */
  readonly dir: string;
  /** Where folders of findings are kept. */
  readonly keep: string;
  /** So many interruptions at least. */
  readonly cycles: number;
  /** And at least one of each of these. */
  readonly kinds?: readonly Kind[];
  readonly seed: number;
  readonly devices: number;
  readonly onProgress?: (tally: Tally) => void;
}

export interface InterruptResult {
  readonly tally: Tally;
  /** By the plan that is offered first, in the order of the legs. */
  readonly costs: readonly (LegCost & { readonly plan: string })[];
  readonly seconds: number;
}

/**
 * Devices side by side update back and forth over links and servers that fail, until the interruptions
 * that were asked for have struck, and each then reaches its target. The seed decides what is drawn; at which
 * instruction it strikes is up to the machine.
 */
export async function runInterruptions(options: InterruptRun): Promise<InterruptResult> {
  const { dist, dir, keep, cycles, kinds = [], seed, devices, onProgress } = options;
  const world = await World.start(join(dir, 'world'), dist, TINY);
  try {
    const tally = new Tally();
    const readBlob = blobReader(() => world.origin.url);
    const loops: DeviceLoop[] = [];
    for (let number = 0; number < devices; number += 1) {
      const own = join(dir, `device-${number}`);
      await mkdir(own);
      const random = new Random('interrupt', seed, number);
      loops.push(new DeviceLoop({ world, dist, dir: own, number, random, tally, readBlob, keep }));
    }
    const costs = (await loops[0]?.measure()) ?? [];
    tally.runs = 0;
    const startMs = Date.now();
    const more = (): boolean => {
      onProgress?.(tally);
      return tally.total < cycles || kinds.some((kind) => tally.cycles[kind] === 0);
    };
    await Promise.all(loops.map((loop) => loop.go(costs, more)));
    return {
      tally,
      costs: costs.map((cost, n) => ({ ...cost, plan: world.legs[n]?.plan ?? '' })),
      seconds: (Date.now() - startMs) / 1000,
    };
  } finally {
    await world.stop();
  }
}
