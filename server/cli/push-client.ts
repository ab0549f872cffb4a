import { readBlob } from '../../storage/blob-store.ts';
import type { Descriptor } from '../../storage/descriptor.ts';
import { parseDigest, type Digest } from '../../storage/digest.ts';
import type { RepoName, Tag } from '../../storage/names.ts';
import { ServerError } from '../errors.ts';
import { ask, refused } from './http-client.ts';
import type { ImageSource } from './sources/image-source.ts';

/** The largest manifest that a registry takes (OCI distribution 1.1). */
const MAX_MANIFEST_BYTES = 4 * 1024 * 1024;
const MAX_DEPTH = 8;
const TRIES = 3;

export interface PushEvents {
  /** A blob or manifest is about to be sent, or is there already. */
  blob(descriptor: Descriptor, state: 'sent' | 'exists'): void;
  /** Bytes of a blob that went out. */
  bytes(descriptor: Descriptor, done: number): void;
}

/**
 * Pushes an image or an index whole over OCI distribution 1.1: blobs, then manifests, children
 * first, the tag last; what the server has is not sent again.
 */
export class PushClient {
  readonly #server: URL;
  readonly #repo: RepoName;
  readonly #source: ImageSource;
  readonly #events: PushEvents;
  readonly #headers: Readonly<Record<string, string>>;

  /** `token`: sent as a bearer token, if the server wants one. */
  constructor(
    server: URL,
    repo: RepoName,
    source: ImageSource,
    events: PushEvents,
    token?: string,
  ) {
    this.#server = server;
    this.#repo = repo;
    this.#source = source;
    this.#events = events;
    this.#headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  }

  async push(tag: Tag, signal?: AbortSignal): Promise<void> {
    await this.#manifest(this.#source.root, tag, 0, signal);
  }

  async #manifest(
    descriptor: Descriptor,
    reference: string,
    depth: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    if (depth > MAX_DEPTH) {
      throw new ServerError('invalid_input', `indexes are nested deeper than ${MAX_DEPTH}`);
    }
    const bytes = await readBlob(this.#source.blobs, descriptor.digest, {
      maxBytes: MAX_MANIFEST_BYTES,
      signal,
    });
    const { manifests, blobs } = parseManifest(bytes, descriptor.digest);
    for (const child of manifests) await this.#manifest(child, child.digest, depth + 1, signal);
    for (const blob of blobs) await this.#blob(blob, signal);
    const url = this.#url(`manifests/${reference}`);
    const answer = await ask(url, {
      method: 'PUT',
      headers: { ...this.#headers, 'content-type': descriptor.mediaType },
      body: bytes,
      signal,
    });
    if (answer.status !== 201) throw refused(url, 'PUT', answer);
    this.#events.blob(descriptor, 'sent');
  }

  async #blob(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<void> {
    const url = this.#url(`blobs/${descriptor.digest}`);
    const head = await ask(url, { method: 'HEAD', headers: this.#headers, signal });
    if (head.status === 200) {
      this.#events.blob(descriptor, 'exists');
      return;
    }
    if (head.status !== 404) throw refused(url, 'HEAD', head);
    for (let attempt = 1; ; attempt += 1) {
      try {
        await this.#upload(descriptor, signal);
        this.#events.blob(descriptor, 'sent');
        return;
      } catch (error) {
        const retryable = error instanceof ServerError && error.code === 'unreachable';
        if (!retryable || attempt >= TRIES || signal?.aborted === true) throw error;
      }
    }
  }

  async #upload(descriptor: Descriptor, signal: AbortSignal | undefined): Promise<void> {
    const stat = await this.#source.blobs.stat(descriptor.digest, { signal });
    if (stat === undefined || stat.size !== descriptor.size) {
      throw new ServerError(
        'invalid_input',
        stat === undefined
          ? `the source lacks the blob ${descriptor.digest} that a manifest names`
          : `the blob ${descriptor.digest} has ${stat.size} bytes where its manifest says ${descriptor.size}`,
      );
    }
    const start = this.#url('blobs/uploads/');
    const started = await ask(start, {
      method: 'POST',
      headers: this.#headers,
      body: Buffer.alloc(0),
      signal,
    });
    const { location } = started.headers;
    if (started.status !== 202 || location === undefined) throw refused(start, 'POST', started);
    const url = new URL(location, start);
    url.searchParams.set('digest', descriptor.digest);
    const body = await this.#source.blobs.open(descriptor.digest, { signal });
    let done = 0;
    body.on('data', (part: Buffer) => {
      done += part.length;
      this.#events.bytes(descriptor, done);
    });
    const answer = await ask(url, {
      method: 'PUT',
      headers: { ...this.#headers, 'content-type': 'application/octet-stream' },
      body,
      size: descriptor.size,
      signal,
    });
    if (answer.status !== 201) throw refused(url, 'PUT', answer);
  }

  #url(path: string): URL {
    return new URL(`/v2/${this.#repo}/${path}`, this.#server);
  }
}

/** What a manifest names: children of an index, or config and layers of an image. */
function parseManifest(
  bytes: Buffer,
  digest: Digest,
): { manifests: readonly Descriptor[]; blobs: readonly Descriptor[] } {
  let value: { manifests?: unknown; config?: unknown; layers?: unknown } | null;
  try {
    value = JSON.parse(bytes.toString('utf8')) as typeof value;
  } catch (cause) {
    throw new ServerError('invalid_input', `the manifest ${digest} is not JSON`, { cause });
  }
  const manifests = asDescriptors(value?.manifests, digest);
  const config = value?.config === undefined ? [] : [value.config];
  const blobs = asDescriptors([...config, ...((value?.layers ?? []) as unknown[])], digest);
  return { manifests, blobs };
}

function asDescriptors(value: unknown, digest: Digest): Descriptor[] {
  if (value === undefined) return [];
  if (!Array.isArray(value)) {
    throw new ServerError('invalid_input', `the manifest ${digest} has a broken list`);
  }
  return value.map((entry) => {
    const descriptor = (entry ?? {}) as Partial<Descriptor>;
    const { mediaType, size } = descriptor;
    if (typeof mediaType !== 'string' || typeof size !== 'number') {
      throw new ServerError('invalid_input', `the manifest ${digest} has a broken descriptor`);
    }
    return { mediaType, size, digest: parseDigest(String(descriptor.digest)) };
  });
}
