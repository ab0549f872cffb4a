import { gzipSync } from 'node:zlib';

import { writeTar } from '../../bench/demo/tar-writer.ts';
import { digestOf, type Digest } from '../../storage/digest.ts';
import { seededBytes } from '../server/seeded-bytes.ts';

const MANIFEST_TYPE = 'application/vnd.oci.image.manifest.v1+json';

/** An image of one platform, in memory: all that is pushed for it, the manifest last. */
export interface NodeImage {
  readonly blobs: readonly Buffer[];
  readonly manifest: Buffer;
  readonly digest: Digest;
}

/** Version after version of an image whose program changes in a few places. */
export function imageOf(name: string, version: number): NodeImage {
  const program = Buffer.from(seededBytes(name, 60_000));
  for (let at = 100; at < program.length; at += 6007) program.writeUInt32LE(version * 7919, at);
  const tar = writeTar([{ path: 'bin/program', mode: 0o755, bytes: program }]);
  const layer = gzipSync(tar);
  const config = Buffer.from(
    JSON.stringify({
      architecture: 'amd64',
      os: 'linux',
      rootfs: { type: 'layers', diff_ids: [digestOf(tar)] },
    }),
  );
  const describe = (mediaType: string, bytes: Buffer) => ({
    mediaType: `application/vnd.oci.image.${mediaType}`,
    digest: digestOf(bytes),
    size: bytes.length,
  });
  const manifest = Buffer.from(
    JSON.stringify({
      schemaVersion: 2,
      mediaType: MANIFEST_TYPE,
      config: describe('config.v1+json', config),
      layers: [describe('layer.v1.tar+gzip', layer)],
    }),
  );
  return { blobs: [layer, config], manifest, digest: digestOf(manifest) };
}

/** Pushes it to `node()`, asked before each request; whatever fails is done again, for `tries` times. */
export async function pushImage(
  node: () => string,
  repo: string,
  tag: string,
  image: NodeImage,
  tries = 60,
): Promise<void> {
  for (let left = tries; ; left -= 1) {
    try {
      for (const blob of image.blobs) await pushBlob(node, repo, blob);
      await send(`${node()}/v2/${repo}/manifests/${tag}`, 'PUT', 201, image.manifest, {
        'content-type': MANIFEST_TYPE,
      });
      return;
    } catch (error) {
      if (left === 0) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

/** In two parts, each to another node, and committed on a third. */
export async function pushBlob(node: () => string, repo: string, bytes: Buffer): Promise<void> {
  const begun = await send(`${node()}/v2/${repo}/blobs/uploads/`, 'POST', 202);
  const middle = Math.floor(bytes.length / 2);
  let place = placeOf(begun);
  for (const [start, end] of [
    [0, middle],
    [middle, bytes.length],
  ] as const) {
    const range = {
      'content-range': `${start}-${end - 1}`,
      'content-type': 'application/octet-stream',
    };
    place = placeOf(await send(node() + place, 'PATCH', 202, bytes.subarray(start, end), range));
  }
  const mark = place.includes('?') ? '&' : '?';
  await send(`${node()}${place}${mark}digest=${digestOf(bytes)}`, 'PUT', 201);
}

/** What a node serves under a path. */
export async function fetchBytes(url: string): Promise<Buffer> {
  const response = await fetch(url, { headers: { accept: MANIFEST_TYPE } });
  const bytes = Buffer.from(await response.arrayBuffer());
  if (response.status !== 200) throw new Error(`${url}: ${response.status} ${bytes.toString()}`);
  return bytes;
}

async function send(
  url: string,
  method: string,
  status: number,
  body?: Buffer,
  headers: Readonly<Record<string, string>> = {},
): Promise<Response> {
  const response = await fetch(url, { method, headers, ...(body !== undefined && { body }) });
  const text = await response.text();
  if (response.status !== status) throw new Error(`${method} ${url}: ${response.status} ${text}`);
  return response;
}

/** The path only: every node answers under its own address. */
function placeOf(response: Response): string {
  const { pathname, search } = new URL(response.headers.get('location') ?? '', response.url);
  return pathname + search;
}
