import { randomBytes } from 'node:crypto';
import { once } from 'node:events';
import { Agent, get, type IncomingMessage } from 'node:http';

import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';

const REPO = 'bench/nodes';

/** One piece of work against the origin at `url`; resolves to the bytes that went either way. */
export type Work = (url: string) => Promise<number>;

export interface LoadResult {
  readonly perSecond: number;
  readonly bytesPerSecond: number;
  readonly count: number;
}

/** Clients that do the work again and again, each with another origin every time. */
export async function runLoad(
  work: Work,
  urls: readonly string[],
  { clients, seconds }: { readonly clients: number; readonly seconds: number },
): Promise<LoadResult> {
  const startMs = performance.now();
  let [count, bytes] = [0, 0];
  const client = async (first: number): Promise<void> => {
    for (let n = first; performance.now() - startMs < seconds * 1000; n += 1) {
      const moved = await work(urls[n % urls.length] ?? '');
      bytes += moved;
      count += 1;
    }
  };
  await Promise.all(Array.from({ length: clients }, (_, n) => client(n)));
  const tookSeconds = (performance.now() - startMs) / 1000;
  return { perSecond: count / tookSeconds, bytesPerSecond: bytes / tookSeconds, count };
}

/** Reads one blob whole, and lets go of the bytes. By `fetch` clients did half as many small reads a second. */
export function reads(digest: Digest, size: number): Work {
  const agent = new Agent({ keepAlive: true });
  return async (url) => {
    const request = get(`${url}/v2/${REPO}/blobs/${digest}`, { agent });
    const [response] = (await once(request, 'response')) as [IncomingMessage];
    let bytes = 0;
    for await (const part of response) bytes += (part as Buffer).length;
    if (response.statusCode !== 200 || bytes !== size) {
      throw new Error(`GET: ${String(response.statusCode)}, ${bytes} bytes`);
    }
    return bytes;
  };
}

/** Pushes an image that nobody has: a layer of 64 KiB, a config and a manifest, as artifacts go. */
export async function pushes(url: string): Promise<number> {
  const layer = randomBytes(65_536);
  const config = Buffer.from('{}');
  for (const blob of [layer, config]) await pushBlob(url, blob);
  const describe = (mediaType: string, bytes: Buffer) => ({
    ...{ mediaType, digest: digestOf(bytes), size: bytes.length },
  });
  const manifest = JSON.stringify({
    schemaVersion: 2,
    mediaType: MEDIA_TYPES.ociManifest,
    artifactType: 'application/vnd.example',
    config: describe('application/vnd.oci.empty.v1+json', config),
    layers: [describe('application/octet-stream', layer)],
  });
  const path = `/v2/${REPO}/manifests/${digestOf(Buffer.from(manifest))}`;
  await send(url + path, 'PUT', manifest, { 'content-type': MEDIA_TYPES.ociManifest });
  return layer.length + config.length + manifest.length;
}

export async function pushBlob(url: string, bytes: Buffer): Promise<Digest> {
  const digest = digestOf(bytes);
  await send(
    `${url}/v2/${REPO}/blobs/uploads/?digest=${digest}`,
    'POST',
    new Uint8Array(bytes),
    {},
  );
  return digest;
}

async function send(
  url: string,
  method: string,
  body: string | Uint8Array<ArrayBuffer>,
  headers: Record<string, string>,
): Promise<void> {
  const response = await fetch(url, { method, body, headers });
  const text = await response.text();
  if (response.status !== 201) throw new Error(`${method} ${url}: ${response.status} ${text}`);
}
