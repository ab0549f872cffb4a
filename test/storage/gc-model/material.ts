import type { ManifestChild } from '../../../storage/catalog/repository-catalog.ts';
import { MEDIA_TYPES } from '../../../storage/descriptor.ts';
import { digestOf, type Digest } from '../../../storage/digest.ts';
import { parseTag } from '../../../storage/names.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { OTHER, REPO } from '../../suites/catalog/names.ts';
import { noise, tar } from '../chunk/material.ts';
import { commit, dirmeta, dirtree, file, type MadeObject } from '../ostree/objects.ts';

export const REPOS = [REPO, OTHER] as const;
export const TAGS = ['stable', 'v1', 'v2', 'nightly'].map(parseTag);
export const REFS = ['a', 'b'].map(parseOstreeRef);

/** A commit first, then all that it reaches. */
export type Tree = readonly [MadeObject, ...MadeObject[]];

/** What a manifest names; without bytes it is never pushed. */
export interface Part {
  readonly kind: ManifestChild['kind'];
  readonly mediaType: string;
  readonly digest: Digest;
  readonly size: number;
  readonly bytes?: Buffer | undefined;
}

export interface Document {
  readonly bytes: Buffer;
  readonly digest: Digest;
  readonly mediaType: string;
  readonly parts: readonly Part[];
  readonly subject?: Digest | undefined;
}

function part(kind: Part['kind'], mediaType: string, bytes: Buffer): Part {
  return { kind, mediaType, bytes, digest: digestOf(bytes), size: bytes.length };
}

function document(
  content: object,
  mediaType: string,
  parts: readonly Part[],
  subject?: Digest,
): Document {
  const bytes = Buffer.from(JSON.stringify({ schemaVersion: 2, mediaType, ...content }));
  return { bytes, digest: digestOf(bytes), mediaType, parts, subject };
}

const descriptorOf = ({ mediaType, digest, size }: Part) => ({ mediaType, digest, size });

/** Layers of which some share a file, so that packs are shared too. */
const shared = noise(60_000, 'shared');
const LAYERS = [
  tar({ shared }),
  tar({ shared, own: noise(20_000, 'one') }),
  tar({ own: noise(20_000, 'two') }),
].map((bytes) => part('layer', MEDIA_TYPES.ociLayerTar, bytes));
/** A layer that no client pushes: its manifests are sparse. */
const FOREIGN: Part = {
  kind: 'layer',
  mediaType: MEDIA_TYPES.ociLayerTar,
  digest: digestOf(Buffer.from('foreign')),
  size: 7,
};

function image(n: number, layers: readonly number[], more: readonly Part[] = []): Document {
  const all = [...LAYERS.filter((_, layer) => layers.includes(layer)), ...more];
  const rootfs = { type: 'layers', diff_ids: all.map(({ digest }) => digest) };
  const system = { os: 'linux', architecture: 'amd64', author: `image ${n}`, rootfs };
  const config = part('config', MEDIA_TYPES.ociConfig, Buffer.from(JSON.stringify(system)));
  const content = { config: descriptorOf(config), layers: all.map(descriptorOf) };
  return document(content, MEDIA_TYPES.ociManifest, [config, ...all]);
}

export const IMAGES = [image(0, [0]), image(1, [0, 1]), image(2, [2]), image(3, [1], [FOREIGN])];

const childOf = ({ digest, mediaType, bytes }: Document): Part => ({
  kind: 'manifest',
  mediaType,
  digest,
  size: bytes.length,
});

export const INDEXES = [IMAGES.slice(0, 2), IMAGES.slice(1, 3)].map((images) => {
  const parts = images.map(childOf);
  return document({ manifests: parts.map(descriptorOf) }, MEDIA_TYPES.ociIndex, parts);
});

/** A signature of each image, which may come before it. */
export const REFERRERS = IMAGES.map(({ digest, mediaType, bytes }, n) => {
  const signature = part('layer', 'application/octet-stream', Buffer.from(`signature ${n}`));
  const subject = { mediaType, digest, size: bytes.length };
  const config = part('config', 'application/vnd.oci.empty.v1+json', Buffer.from('{}'));
  const content = {
    artifactType: 'application/vnd.example.signature',
    ...{ config: descriptorOf(config), layers: [descriptorOf(signature)], subject },
  };
  return document(content, MEDIA_TYPES.ociManifest, [config, signature], digest);
});

/** All that may be pushed as a manifest, by digest. */
export const DOCUMENTS: ReadonlyMap<Digest, Document> = new Map(
  [...IMAGES, ...INDEXES, ...REFERRERS].map((one) => [one.digest, one]),
);

/** Blobs that are pushed for themselves: nothing ever names them. */
export const LOOSE = ['loose 0', 'loose 1'].map((text) => Buffer.from(text));

function tree(n: number, contents: readonly string[], parent?: Tree): Tree {
  const meta = dirmeta('meta');
  const files = contents.map((text) => file(noise(2000, text)));
  const root = dirtree(files);
  return [commit(`commit ${n}`, root, meta, parent?.[0]), root, meta, ...files];
}

const first = tree(0, ['x', 'y']);
export const TREES = [first, tree(1, ['y', 'z'], first), tree(2, ['z'])] as const;

/** The element at `n`, counted round and round. */
export function pickOf<T>(items: readonly T[], n: number): T {
  const item = items[n % items.length];
  if (item === undefined) throw new Error('nothing to pick from');
  return item;
}
