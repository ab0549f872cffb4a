import { randomBytes } from 'node:crypto';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';

import { digestOf } from '../../storage/digest.ts';
import { fileName, type BenchBlob } from '../serve/content.ts';
import { pushBlobs, REPOSITORY } from '../serve/push.ts';
import { ask } from '../serve/request.ts';

const MANIFEST = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG = 'application/vnd.oci.image.config.v1+json';
const LAYER = 'application/vnd.oci.image.layer.v1.tar';

/** A blob of random bytes, in a file of the folder. */
export async function makeBlob(dir: string, bytes: number): Promise<BenchBlob> {
  return keep(dir, randomBytes(bytes));
}

/**
 * Pushes an image with these layers under a tag: caches of registries fetch what a manifest names,
 * and some nothing else.
 */
export async function pushImage(
  url: string,
  dir: string,
  tag: string,
  layers: readonly BenchBlob[],
): Promise<void> {
  const facts = { architecture: 'amd64', os: 'linux', config: {}, rootfs: rootfs(layers) };
  const config = await keep(dir, Buffer.from(JSON.stringify(facts)));
  await pushBlobs(url, [config, ...layers]);
  const describe = (mediaType: string, { digest, bytes }: BenchBlob) => ({
    mediaType,
    digest,
    size: bytes,
  });
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST,
    config: describe(CONFIG, config),
    layers: layers.map((layer) => describe(LAYER, layer)),
  };
  const body = Buffer.from(JSON.stringify(manifest));
  const headers = { 'content-type': MANIFEST, 'content-length': body.length };
  const { status } = await ask(manifestUrl(url, tag), { method: 'PUT', headers, body });
  if (status !== 201) throw new Error(`${url} answered the manifest of ${tag} with ${status}`);
}

export function manifestUrl(url: string, tag: string): string {
  return `${url}/v2/${REPOSITORY}/manifests/${tag}`;
}

export function blobUrl(url: string, { digest }: BenchBlob): string {
  return `${url}/v2/${REPOSITORY}/blobs/${digest}`;
}

/** Asks for an image's manifest, as every client does first; the status. */
export async function getManifest(url: string, tag: string): Promise<number> {
  return (await ask(manifestUrl(url, tag), { headers: { accept: MANIFEST } })).status;
}

function rootfs(layers: readonly BenchBlob[]): unknown {
  return { type: 'layers', diff_ids: layers.map(({ digest }) => digest) };
}

async function keep(dir: string, content: Buffer): Promise<BenchBlob> {
  const digest = digestOf(content);
  const file = join(dir, fileName(digest));
  await writeFile(file, content);
  return { digest, file, bytes: content.length };
}
