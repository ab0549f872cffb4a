import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import type { Digest } from '../../storage/digest.ts';
import type { MadeImage, NamedBytes } from './content.ts';

export const REPO = 'kills/app';
export const OSTREE_REPO = 'kills/os';
const TIMEOUT_MS = 30_000;

/** An answer that was not expected. */
export class Refusal extends Error {
  readonly status: number;
  /** The client shall come again: so answers a server whose collector was killed while it removed the blob. */
  readonly isForNow: boolean;
  /** What the request was about: the digest in its address, or the address. */
  readonly subject: string;

  constructor({ status, headers, url }: Response, message: string) {
    super(message);
    this.status = status;
    this.isForNow = status === 503 && headers.has('retry-after');
    this.subject = /[0-9a-f]{64}/.exec(url)?.[0] ?? url;
  }
}

/** One request; throws `Refusal` unless it is answered with one of the statuses, and what `fetch` throws. */
async function ask(
  method: string,
  url: string,
  statuses: readonly number[],
  more: {
    readonly body?: Uint8Array<ArrayBuffer> | FormData | string;
    readonly headers?: Record<string, string>;
  } = {},
): Promise<Response> {
  const response = await fetch(url, { method, ...more, signal: AbortSignal.timeout(TIMEOUT_MS) });
  if (statuses.includes(response.status)) return response;
  const text = (await response.text()).slice(0, 300);
  throw new Refusal(response, `${method} ${url}: ${response.status} ${text}`);
}

/** Pushes what the server lacks of an image, in pieces, and tags it. */
export async function pushImage(
  server: string,
  { blobs, manifest }: MadeImage,
  tags: readonly string[],
): Promise<void> {
  for (const { digest, bytes } of blobs) {
    const head = await ask('HEAD', `${server}/v2/${REPO}/blobs/${digest}`, [200, 404]);
    if (head.status === 404) await pushBlob(server, digest, bytes);
  }
  const headers = { 'content-type': MEDIA_TYPES.ociManifest };
  for (const tag of tags) {
    const url = `${server}/v2/${REPO}/manifests/${tag}`;
    await ask('PUT', url, [201], { body: new Uint8Array(manifest), headers });
  }
}

async function pushBlob(server: string, digest: Digest, bytes: Buffer): Promise<void> {
  const start = await ask('POST', `${server}/v2/${REPO}/blobs/uploads/`, [202]);
  let location = new URL(start.headers.get('location') ?? '', server).href;
  const middle = bytes.length >> 1;
  const patch = await ask('PATCH', location, [202], {
    body: new Uint8Array(bytes.subarray(0, middle)),
    headers: { 'content-range': `0-${middle - 1}` },
  });
  location = new URL(patch.headers.get('location') ?? '', server).href;
  const end = new URL(location);
  end.searchParams.set('digest', digest);
  await ask('PUT', end.href, [201], { body: new Uint8Array(bytes.subarray(middle)) });
}

/** Deletes a manifest with all its tags; true if it was there. */
export async function deleteImage(server: string, digest: Digest): Promise<void> {
  await ask('DELETE', `${server}/v2/${REPO}/manifests/${digest}`, [202, 404]);
}

/** Bytes at a path, or undefined for 404. */
export async function read(server: string, path: string): Promise<Buffer | undefined> {
  const response = await ask('GET', `${server}${path}`, [200, 404]);
  const bytes = Buffer.from(await response.arrayBuffer());
  return response.status === 200 ? bytes : undefined;
}

/** Pushes a commit's objects and moves the ref there. */
export async function pushCommit(
  server: string,
  ref: string,
  commit: string,
  objects: readonly NamedBytes[],
): Promise<void> {
  const push = `${server}/ostree/${OSTREE_REPO}/push`;
  const json = { 'content-type': 'application/json' };
  const names = objects.map(({ name }) => name);
  const asked = await ask('POST', `${push}/missing`, [200], {
    ...{ body: JSON.stringify({ objects: names }), headers: json },
  });
  const { missing } = (await asked.json()) as { readonly missing: readonly string[] };
  const form = new FormData();
  for (const { name, bytes } of objects) {
    if (missing.includes(name)) form.append(name, new Blob([new Uint8Array(bytes)]), name);
  }
  if (missing.length > 0) await ask('POST', `${push}/objects`, [200], { body: form });
  await ask('PUT', `${push}/refs/${ref}`, [200], {
    ...{ body: JSON.stringify({ commit, expected: 'any' }), headers: json },
  });
}
