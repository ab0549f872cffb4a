import { readlink, rename, rm, symlink } from 'node:fs/promises';
import { join } from 'node:path';

import type { Digest } from '../../storage/digest.ts';
import { errnoOf, syncDirectory } from '../../storage/durable.ts';
import { readSmall } from './durable.ts';
import { DeviceError } from './errors.ts';
import {
  MAX_CONFIG_BYTES,
  MAX_MANIFEST_BYTES,
  parseRelease,
  parseSourceManifest,
  SOURCE_ANNOTATION,
  type ReleaseImage,
} from './image.ts';
import { JsonReader } from './json.ts';
import { layoutBlob, slotPath, type DevicePaths, type SlotName } from './paths.ts';

/** A whole release in an OCI layout: a slot, or a folder of `kept`. */
export interface LayoutImage {
  /** The OCI layout's folder. */
  readonly path: string;
  readonly image: ReleaseImage;
  readonly variant: { readonly digest: Digest; readonly bytes: Buffer };
}

/** A whole release in a slot. */
export interface SlotImage extends LayoutImage {
  readonly slot: SlotName;
}

/** The slot that runs; undefined before the first install. */
export async function currentSlot(paths: DevicePaths): Promise<SlotName | undefined> {
  let target: string;
  try {
    target = await readlink(paths.current);
  } catch (error) {
    if (errnoOf(error) === 'ENOENT') return undefined;
    throw error;
  }
  const name = /^slots\/([ab])$/.exec(target)?.[1];
  if (name !== 'a' && name !== 'b') {
    throw new DeviceError(
      'state_corrupt',
      `${paths.current} points to ${target}, not to a slot; point it to slots/a or slots/b`,
    );
  }
  return name;
}

/** Makes a slot the one that runs, or none: one rename, durable. Idempotent. */
export async function switchCurrent(paths: DevicePaths, slot: SlotName | undefined): Promise<void> {
  if (slot === undefined) {
    await rm(paths.current, { force: true });
  } else {
    const temp = `${paths.current}.tmp`;
    await rm(temp, { force: true });
    await symlink(join('slots', slot), temp);
    await rename(temp, paths.current);
  }
  await syncDirectory(paths.root);
}

/** Reads what a slot holds, as `readLayout` does. */
export async function readSlot(paths: DevicePaths, slot: SlotName): Promise<SlotImage | undefined> {
  const release = await readLayout(slotPath(paths, slot));
  return release === undefined ? undefined : { ...release, slot };
}

/** The release that a slot holds; undefined for none, and for one whose documents are damaged. */
export async function slotDigest(paths: DevicePaths, slot: SlotName): Promise<Digest | undefined> {
  try {
    return (await readSlot(paths, slot))?.image.manifest.digest;
  } catch (error) {
    if (error instanceof DeviceError) return undefined;
    throw error;
  }
}

/**
 * Reads a layout, undefined when it holds no whole release (index.json is written last). Manifest and
 * config are checked against their digests, layers are not; `corrupt` otherwise.
 */
export async function readLayout(path: string): Promise<LayoutImage | undefined> {
  const indexBytes = await readSmall(join(path, 'index.json'), MAX_MANIFEST_BYTES);
  if (indexBytes === undefined) return undefined;
  const what = join(path, 'index.json');
  const [entry] = JsonReader.parse(indexBytes, what, 'corrupt').objects('manifests', 1);
  if (entry === undefined) throw new DeviceError('corrupt', `${what} names no image`);
  const source = entry.object('annotations').digest(SOURCE_ANNOTATION);
  const manifestBytes = await slotBlob(path, source, MAX_MANIFEST_BYTES);
  const manifest = parseSourceManifest(manifestBytes, source);
  const configBytes = await slotBlob(path, manifest.config.digest, MAX_CONFIG_BYTES);
  const digest = entry.digest('digest');
  const bytes = await slotBlob(path, digest, MAX_MANIFEST_BYTES);
  parseSourceManifest(bytes, digest);
  return { path, image: parseRelease(manifest, configBytes), variant: { digest, bytes } };
}

async function slotBlob(path: string, digest: Digest, maxBytes: number): Promise<Buffer> {
  const bytes = await readSmall(layoutBlob(path, digest), maxBytes);
  if (bytes === undefined) throw new DeviceError('corrupt', `${path} lacks the blob ${digest}`);
  return bytes;
}
