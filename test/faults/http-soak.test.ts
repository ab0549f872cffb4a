import { afterEach, describe, expect, it } from 'vitest';

import { sendMix } from '../../bench/soak/mix.ts';
import { pushTargets } from '../../bench/soak/targets.ts';
import { startMeasuredOrigin, type MeasuredOrigin } from './measured-origin.ts';
import { openFiles } from './open-files.ts';

const MIB = 1024 * 1024;
/** `npm run bench -- soak` is the long one. */
const REQUESTS = 20_000;
const LEGS = 4;

let origin: MeasuredOrigin | undefined;
afterEach(() => origin?.stop());

describe('memory over many requests', () => {
  it.skipIf(process.platform !== 'linux')(
    `is flat over ${REQUESTS}`,
    async () => {
      origin = await startMeasuredOrigin();
      const { url, pid } = origin;
      const targets = await pushTargets(url);
      const held: number[] = [];
      for (let leg = 0; leg < LEGS; leg += 1) {
        await sendMix(targets, REQUESTS / LEGS);
        const { heapUsed, external } = await origin.memory();
        held.push(heapUsed + external);
        const rss = await origin.rss();
        process.stdout.write(
          `soak: ${((leg + 1) * REQUESTS) / LEGS} requests, heap ${(heapUsed / MIB).toFixed(1)} MiB, RSS ${(rss / MIB).toFixed(0)} MiB\n`,
        );
      }
      // What is warmed up once is warm by the middle.
      const [middle = 0, end = Infinity] = [held[LEGS / 2 - 1], held[LEGS - 1]];
      expect(end - middle).toBeLessThan(2 * MIB);
      // The one that ranges were read from is kept for a second or two after the last of them.
      const name = targets.large.slice('sha256:'.length);
      await expect.poll(() => openFiles(pid, name), { timeout: 10_000 }).toBe(0);
    },
    30 * 60_000,
  );
});
