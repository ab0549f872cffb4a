import { gzipSync } from 'node:zlib';

import { digestOf } from '../../storage/digest.ts';
import {
  Client,
  describeBlob,
  locationOf,
  OCI_CONFIG,
  OCI_LAYER,
  OCI_MANIFEST,
} from '../server/oci/rig.ts';

/** What a server under a fuzzer holds: enough of each kind that no request uses all of it up. */
export interface FuzzSeed {
  readonly repo: string;
  /** Holds the same, to be deleted. */
  readonly condemnedRepo: string;
  readonly tags: readonly string[];
  /** Of blobs and manifests; the first is a blob's. */
  readonly digests: readonly string[];
  /** Sessions to be looked at and written to, to be committed, to be cancelled. */
  readonly uploads: Readonly<Record<'open' | 'ready' | 'condemned', readonly string[]>>;
  /** What the ready sessions hold. */
  readonly uploadDigest: string;
  readonly device: string;
  /** Names of tokens, to be revoked. */
  readonly tokens: readonly string[];
  readonly decision: { readonly id: string; readonly from: string; readonly to: string };
  /** A manifest that can be pushed to `repo`. */
  readonly manifest: object;
  readonly mediaType: string;
  /** A blob that was not pushed. */
  readonly blob: { readonly text: string; readonly digest: string };
}

const REPO = 'demo/app';
const CONDEMNED = 'demo/gone';
const DEVICE = 'device-1';

/** Pushes releases and referrers, starts uploads, asks and reports as a device. */
export async function seedOrigin(
  url: string,
  headers: Readonly<Record<string, string>> = {},
): Promise<FuzzSeed> {
  const client = new SeedClient(url, REPO, headers);
  const condemned = new SeedClient(url, CONDEMNED, headers);
  const { digests, first, second, manifest } = await pushReleases(client);
  await pushReleases(condemned);
  const text = 'never pushed before';
  const content = Buffer.from('all that the session holds');
  return {
    repo: REPO,
    condemnedRepo: CONDEMNED,
    tags: ['stable', 'note'],
    digests,
    uploads: {
      open: await client.startUploads(6),
      ready: await client.startUploads(12, content),
      condemned: await condemned.startUploads(6),
    },
    uploadDigest: digestOf(content),
    device: DEVICE,
    tokens: await makeTokens(url, headers),
    decision: { id: await decide(url, headers, first), from: first, to: second },
    manifest,
    mediaType: OCI_MANIFEST,
    blob: { text, digest: digestOf(Buffer.from(text)) },
  };
}

/** A registry client that sends its credentials along. */
class SeedClient extends Client {
  readonly #headers: Readonly<Record<string, string>>;

  constructor(url: string, name: string, headers: Readonly<Record<string, string>>) {
    super(url, name);
    this.#headers = headers;
  }

  override send(method: string, path: string, body?: Buffer | string, headers = {}) {
    return super.send(method, path, body, { ...this.#headers, ...headers });
  }

  /** Ids of fresh sessions that hold `content`. */
  async startUploads(count: number, content?: Buffer): Promise<string[]> {
    const ids: string[] = [];
    for (let i = 0; i < count; i += 1) {
      const location = await this.startUpload();
      if (content !== undefined) await this.send('PATCH', location, content);
      ids.push(location.split('/').at(-1) ?? '');
    }
    return ids;
  }

  async pushManifest(tag: string, manifest: object): Promise<string> {
    const answer = await this.putManifest(tag, manifest);
    if (answer.status !== 201) throw new Error(`PUT ${tag}: ${answer.status}`);
    return locationOf(answer).split('/').at(-1) ?? '';
  }
}

/** `stable` is one image, then another; `note` refers to the second. */
async function pushReleases(client: SeedClient) {
  const one = await makeImage(client, 'one');
  const two = await makeImage(client, 'two');
  const first = await client.pushManifest('stable', one);
  const second = await client.pushManifest('stable', two);
  const size = Buffer.byteLength(JSON.stringify(two));
  const subject = { mediaType: OCI_MANIFEST, digest: second, size };
  const note = await client.pushManifest('note', { ...one, subject });
  const blobs = [one, two].flatMap(({ config, layers }) => [config, ...layers]);
  const digests = [...blobs.map(({ digest }) => digest), first, second, note];
  return { digests, first, second, manifest: two };
}

async function makeImage(client: Client, name: string) {
  const tar = Buffer.alloc(10_240, name);
  const layer = gzipSync(tar);
  const rootfs = { type: 'layers', diff_ids: [digestOf(tar)] };
  const config = Buffer.from(JSON.stringify({ os: 'linux', architecture: 'amd64', rootfs }));
  return {
    schemaVersion: 2,
    mediaType: OCI_MANIFEST,
    config: describeBlob(OCI_CONFIG, config, await client.pushBlob(config)),
    layers: [describeBlob(OCI_LAYER, layer, await client.pushBlob(layer))],
  };
}

async function makeTokens(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<readonly string[]> {
  const names = ['seed-1', 'seed-2', 'seed-3', 'seed-4'];
  for (const name of names) {
    const answer = await fetch(`${url}/v1/tokens`, {
      method: 'POST',
      headers: { 'content-type': 'application/json', ...headers },
      body: JSON.stringify({ name, grants: ['pull:demo/*'] }),
    });
    if (answer.status !== 201) throw new Error(`token ${name}: ${answer.status}`);
  }
  return names;
}

/** Asks as a device that runs `current`; the decision's id. */
async function decide(
  url: string,
  headers: Readonly<Record<string, string>>,
  current: string,
): Promise<string> {
  const answer = await fetch(`${url}/v1/check`, {
    method: 'POST',
    headers: { 'content-type': 'application/json', 'rivulet-device': DEVICE, ...headers },
    body: JSON.stringify({
      product: REPO,
      channel: 'stable',
      os: 'linux',
      arch: 'amd64',
      current: [{ kind: 'oci', name: REPO, digest: current }],
      accept: ['full'],
    }),
  });
  if (answer.status !== 200) throw new Error(`check: ${answer.status} ${await answer.text()}`);
  return ((await answer.json()) as { id: string }).id;
}
