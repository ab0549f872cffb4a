import { readManifestDocument } from '../../../server/oci/manifest-document.ts';
import { checkNames } from '../../../server/oci/manifest-names.ts';
import { compileManifestSchemas } from '../../../server/oci/manifest-schema.ts';
import { mountBlob } from '../../../server/oci/mount.ts';
import { storeManifest } from '../../../server/oci/store-manifest.ts';
import type { Digest } from '../../../storage/digest.ts';
import type { RepoName, Tag } from '../../../storage/names.ts';
import { TAGS, type Document, type Part } from './material.ts';
import { manifestThere, type Held } from './model.ts';
import type { Request } from './request.ts';
import { GRACE_MS } from './world.ts';

const SCHEMAS = compileManifestSchemas();

export interface PushOptions {
  readonly repo: RepoName;
  readonly tag: Tag | undefined;
  /** Ask for blobs of other repositories before sending them. */
  readonly mount: boolean;
}

/** As a client pushes: blobs that are not there, then the manifest. */
export async function pushDocument(
  request: Request,
  document: Document,
  options: PushOptions,
): Promise<void> {
  const { world, stores, onEnd } = request;
  const { repo, tag } = options;
  const { bytes, digest, mediaType, parts } = document;
  const endPush = world.model.manifest(repo, digest).push(world.clock.nowMs);
  const endTag = tag && world.model.tag(repo, tag).write();
  const told: { held?: Held } = {};
  onEnd((acknowledged) => {
    endPush(acknowledged ? told.held : undefined);
    endTag?.(acknowledged ? { is: digest } : undefined);
  });
  for (const part of parts) await pushBlob(request, part, options);
  const { names, ...facts } = readManifestDocument(bytes, mediaType, SCHEMAS);
  const { children, absent } = await checkNames(stores, repo, names, {});
  const row = { digest, size: bytes.length, ...facts };
  await storeManifest(stores, repo, { bytes, row, children }, tag);
  const there = (kinds: readonly Part['kind'][]): Digest[] =>
    children
      .filter((child) => kinds.includes(child.kind) && !absent.includes(child.digest))
      .map((child) => child.digest);
  told.held = { blobs: there(['config', 'layer']), manifests: there(['manifest']) };
}

async function pushBlob(
  { world, stores }: Request,
  { kind, digest, bytes }: Part,
  { repo, mount }: PushOptions,
): Promise<void> {
  if (kind === 'manifest' || bytes === undefined) return;
  const { catalog, blobs, uploads } = stores;
  if (await catalog.repositories.hasBlob(repo, digest)) {
    if ((await blobs.stat(digest)) !== undefined) return;
  }
  const untilMs = world.clock.nowMs + GRACE_MS;
  if (!mount || !(await mountBlob(stores, repo, digest, undefined))) {
    const { id } = await uploads.start(repo);
    await uploads.append(repo, id, [bytes]);
    await uploads.commit(repo, id, digest);
  }
  world.model.link(repo, digest, untilMs);
}

export async function deleteTag(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  tag: Tag,
): Promise<void> {
  const end = world.model.tag(repo, tag).write();
  onEnd((acknowledged) => {
    end(acknowledged ? { is: undefined } : undefined);
  });
  await stores.catalog.repositories.deleteTag(repo, tag);
}

/** One of those that the repository has, counted round and round; takes the tags on it along. */
export async function deleteManifest(
  { world, stores, onEnd }: Request,
  repo: RepoName,
  n: number,
): Promise<void> {
  const { model } = world;
  const digest = manifestThere(model, repo, n);
  if (digest === undefined) return;
  const endRemoval = model.manifest(repo, digest).remove();
  const endTags = TAGS.map((name) => {
    const tag = model.tag(repo, name);
    const before = tag.sure;
    return { end: tag.write(), untouched: before?.is === digest ? undefined : before };
  });
  onEnd((acknowledged) => {
    endRemoval();
    for (const { end, untouched } of endTags) end(acknowledged ? untouched : undefined);
  });
  await stores.catalog.repositories.deleteManifest(repo, digest);
}
