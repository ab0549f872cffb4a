import { randomBytes } from 'node:crypto';

import { digestOf, type Digest } from '../../storage/digest.ts';
import { ask } from '../serve/request.ts';
import type { SoakTargets } from './mix.ts';

const REPO = 'soak/app';
const TAG = 'stable';
const SMALL_BLOBS = 50;
const SMALL_BYTES = 4096;
const LARGE_BYTES = 8 * 1024 * 1024;
const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';
const CONFIG_TYPE = 'application/vnd.oci.image.config.v1+json';

/** Pushes what the mix asks for into a server of ours. */
export async function pushTargets(url: string): Promise<SoakTargets> {
  const small: Digest[] = [];
  for (let n = 0; n < SMALL_BLOBS; n += 1) small.push(await push(url, randomBytes(SMALL_BYTES)));
  const large = await push(url, randomBytes(LARGE_BYTES));
  const config = Buffer.from('{}');
  const digest = await push(url, config);
  const manifest = {
    schemaVersion: 2,
    mediaType: MANIFEST_TYPE,
    config: { mediaType: CONFIG_TYPE, digest, size: config.length },
    layers: [],
  };
  const body = Buffer.from(JSON.stringify(manifest));
  await send(url, 'PUT', `/v2/${REPO}/manifests/${TAG}`, MANIFEST_TYPE, body);
  return { url, repo: REPO, tag: TAG, small, large };
}

async function push(url: string, bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes);
  const path = `/v2/${REPO}/blobs/uploads/?digest=${digest}`;
  await send(url, 'POST', path, 'application/octet-stream', bytes);
  return digest;
}

async function send(
  url: string,
  method: string,
  path: string,
  type: string,
  body: Buffer,
): Promise<void> {
  const headers = { 'content-type': type, 'content-length': body.length };
  const { status } = await ask(url + path, { method, headers, body });
  if (status !== 201) throw new Error(`${method} ${path} was answered with ${status}`);
}
