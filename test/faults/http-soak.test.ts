import { afterEach, describe, expect, it } from 'vitest';

import { seededBytes } from '../server/seeded-bytes.ts';
import { startMeasuredOrigin, type MeasuredOrigin } from './measured-origin.ts';
import { openFiles } from './open-files.ts';
import { soak } from './soak-mix.ts';
import { pushBlob, REPO } from './whole-origin.ts';

const MIB = 1024 * 1024;
/** `RIVULET_SOAK_REQUESTS=1000000` makes it a long one. */
const REQUESTS = Number(process.env['RIVULET_SOAK_REQUESTS'] ?? 20_000);
const LEGS = 4;

let origin: MeasuredOrigin | undefined;
afterEach(() => origin?.stop());

async function pushManifest(url: string): Promise<string> {
  const config = Buffer.from('{}');
  const type = 'application/vnd.oci.image.manifest.v1+json';
  const manifest = {
    schemaVersion: 2,
    mediaType: type,
    config: {
      mediaType: 'application/vnd.oci.image.config.v1+json',
      digest: await pushBlob(url, config),
      size: config.length,
    },
    layers: [],
  };
  const response = await fetch(`${url}/v2/${REPO}/manifests/soak`, {
    method: 'PUT',
    headers: { 'content-type': type },
    body: JSON.stringify(manifest),
  });
  if (response.status !== 201) throw new Error(`PUT: ${response.status}`);
  return 'soak';
}

describe('memory over many requests', () => {
  it.skipIf(process.platform !== 'linux')(
    `is flat over ${REQUESTS}`,
    async () => {
      origin = await startMeasuredOrigin();
      const { url, pid } = origin;
      const small = await Promise.all(
        Array.from({ length: 50 }, (_, n) => pushBlob(url, seededBytes(`soak ${n}`, 4096))),
      );
      const large = await pushBlob(url, seededBytes('soak', 8 * MIB));
      const targets = { url, small, large, tag: await pushManifest(url) };
      const held: number[] = [];
      for (let leg = 0; leg < LEGS; leg += 1) {
        await soak(targets, REQUESTS / LEGS);
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
      const name = large.slice('sha256:'.length);
      await expect.poll(() => openFiles(pid, name), { timeout: 10_000 }).toBe(0);
    },
    30 * 60_000,
  );
});
