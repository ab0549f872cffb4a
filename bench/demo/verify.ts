import { createHash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { pipeline } from 'node:stream/promises';

import type { WrittenImage } from './release.ts';

/**
 * Hashes a device's current image anew, by nothing but the OCI layout on its disk, and compares it
 * with the release as CI wrote it. Throws at the first difference.
 */
export async function verifyDevice(dataDir: string, release: WrittenImage): Promise<number> {
  const layout = join(dataDir, 'current');
  const index = (await readJson(join(layout, 'index.json'))) as {
    manifests: { digest: string }[];
  };
  const root = index.manifests[0];
  if (root === undefined || index.manifests.length !== 1) {
    throw new Error(`${layout} holds ${index.manifests.length} images, not one`);
  }
  const manifest = (await readBlob(layout, root.digest)) as {
    config: { digest: string };
    layers: { digest: string }[];
  };
  equal(`${layout}: config`, manifest.config.digest, release.config.digest);
  await hashBlob(layout, manifest.config.digest);
  const diffIds = release.layers.map(({ diffId }) => diffId);
  equal(`${layout}: layers`, manifest.layers.map(({ digest }) => digest).join(), diffIds.join());
  let bytes = 0;
  for (const diffId of diffIds) bytes += await hashBlob(layout, diffId);
  return bytes;
}

async function readJson(path: string): Promise<unknown> {
  return JSON.parse(await readFile(path, 'utf8'));
}

async function readBlob(layout: string, digest: string): Promise<unknown> {
  await hashBlob(layout, digest);
  return readJson(blobPath(layout, digest));
}

/** Checks one blob of the layout; returns its bytes' count. */
async function hashBlob(layout: string, digest: string): Promise<number> {
  const hash = createHash('sha256');
  let bytes = 0;
  await pipeline(
    createReadStream(blobPath(layout, digest)),
    async (source: AsyncIterable<Buffer>) => {
      for await (const part of source) {
        hash.update(part);
        bytes += part.length;
      }
    },
  );
  equal(`${layout}: a blob`, `sha256:${hash.digest('hex')}`, digest);
  return bytes;
}

function blobPath(layout: string, digest: string): string {
  return join(layout, 'blobs', 'sha256', digest.slice('sha256:'.length));
}

function equal(what: string, actual: string, expected: string): void {
  if (actual !== expected) throw new Error(`${what}: ${actual} is not ${expected}`);
}
