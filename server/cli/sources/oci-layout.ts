import { createReadStream } from 'node:fs';
import { readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';

import type { BlobReader } from '../../../storage/blob-store.ts';
import type { Descriptor } from '../../../storage/descriptor.ts';
import { digestAlgorithm, digestHex, parseDigest, type Digest } from '../../../storage/digest.ts';
import { StorageError } from '../../../storage/errors.ts';
import { ServerError } from '../../errors.ts';
import type { ImageSource } from './image-source.ts';

const REF_NAME = 'org.opencontainers.image.ref.name';

/** Opens an OCI image layout folder (OCI image specification, "Image Layout"). */
export async function openOciLayout(dir: string, tag?: string): Promise<ImageSource> {
  const path = join(dir, 'index.json');
  let bytes: Buffer;
  try {
    bytes = await readFile(path);
  } catch (cause) {
    throw new ServerError('not_found', `${dir} is not an OCI layout: cannot read ${path}`, {
      cause,
    });
  }
  return {
    blobs: folderBlobs(dir),
    root: selectRoot(bytes, tag, dir),
    close: () => Promise.resolve(),
  };
}

/** The blobs of a layout folder. */
export function folderBlobs(dir: string): BlobReader {
  const pathOf = (digest: Digest): string =>
    join(dir, 'blobs', digestAlgorithm(digest), digestHex(digest));
  const statBlob: BlobReader['stat'] = async (digest) => {
    try {
      const { size, mtimeMs } = await stat(pathOf(digest));
      return { size, modifiedMs: mtimeMs };
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
  };
  return {
    stat: statBlob,
    async open(digest, { range, signal } = {}) {
      if ((await statBlob(digest)) === undefined) {
        throw new StorageError('missing', `${dir} has no blob ${digest}`, { detail: { digest } });
      }
      const window = range === undefined ? {} : { start: range.start, end: range.endExclusive - 1 };
      return createReadStream(pathOf(digest), { ...window, signal });
    },
  };
}

/** Chooses the descriptor of `index.json` that carries the tag, or the only one there is. */
export function selectRoot(indexJson: Buffer, tag: string | undefined, what: string): Descriptor {
  const roots = parseRoots(indexJson, what);
  const named = (root: Descriptor): string => root.annotations?.[REF_NAME] ?? '';
  const found =
    tag === undefined
      ? roots.length === 1
        ? roots[0]
        : undefined
      : roots.find((root) => named(root) === tag || named(root).endsWith(`:${tag}`));
  if (found !== undefined) return found;
  const tags = roots.map(named).filter((name) => name !== '');
  const known = tags.length === 0 ? 'none of its images has a tag' : `it has ${tags.join(', ')}`;
  throw new ServerError(
    'not_found',
    tag === undefined
      ? `${what} holds ${roots.length} images: say which with :TAG (${known})`
      : `${what} has no tag ${tag} (${known})`,
  );
}

function parseRoots(indexJson: Buffer, what: string): Descriptor[] {
  let value: unknown;
  try {
    value = JSON.parse(indexJson.toString('utf8'));
  } catch (cause) {
    throw new ServerError('invalid_input', `the index.json of ${what} is not JSON`, { cause });
  }
  const manifests = (value as { manifests?: unknown } | null)?.manifests;
  if (!Array.isArray(manifests)) {
    throw new ServerError('invalid_input', `the index.json of ${what} lists no manifests`);
  }
  return manifests.map((entry) => {
    const { mediaType, digest, size, annotations } = (entry ?? {}) as Record<string, unknown>;
    if (typeof mediaType !== 'string' || typeof digest !== 'string' || typeof size !== 'number') {
      throw new ServerError('invalid_input', `the index.json of ${what} has a broken descriptor`);
    }
    return {
      mediaType,
      digest: parseDigest(digest),
      size,
      ...(typeof annotations === 'object' && annotations !== null
        ? { annotations: annotations as Record<string, string> }
        : {}),
    };
  });
}
