import { open } from 'node:fs';
import { promisify } from 'node:util';

import { readBlob, type BlobStore } from '../storage/blob-store.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import { isDigest, type Digest } from '../storage/digest.ts';
import { parseRepoName } from '../storage/names.ts';
import type { HotObject, HotSource } from './http/hot/hot-answers.ts';
import { blobHeaders } from './http/send-blob.ts';

/** Larger blobs are read from their files each time. */
const MAX_BLOB_BYTES = 64 * 1024;

const BLOB_PATH = /^\/(?:v1|v2\/(.+))\/blobs\/([^/]+)$/;

const openFd = promisify<string, string, number>(open);

export interface HotBlobsOptions {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'repositories' | 'removalEpoch'>;
}

/**
 * Blobs of `/v1/blobs/{digest}` and `/v2/{name}/blobs/{digest}` as hot answers: small ones as bytes,
 * whose digests are checked, and ranges of large ones where the store has files.
 */
export function createHotBlobs({ blobs, catalog }: HotBlobsOptions): HotSource {
  return {
    epoch: () => catalog.removalEpoch(),
    async load(path, part) {
      const match = BLOB_PATH.exec(path);
      const digest = match?.[2];
      if (digest === undefined || !isDigest(digest)) return 'never';
      const repo = match?.[1];
      const size = (await blobs.stat(digest))?.size;
      // One of another size is damage, which the route tells of.
      if (
        size === undefined ||
        (repo !== undefined && size !== (await sizeIn(catalog, repo, digest)))
      )
        return undefined;
      const content = await contentOf(blobs, digest, size, part);
      if (content === 'never') return 'never';
      return {
        route: repo === undefined ? '/v1/blobs/{digest}' : '/v2/{name}/blobs/{digest}',
        headers: {
          ...(repo !== undefined && { 'Docker-Distribution-Api-Version': 'registry/2.0' }),
          ...blobHeaders({ digest }),
        },
        mediaType: 'application/octet-stream',
        size,
        content,
      };
    },
  };
}

async function contentOf(
  blobs: BlobStore,
  digest: Digest,
  size: number,
  part: 'whole' | 'range',
): Promise<HotObject['content'] | 'never'> {
  if (size <= MAX_BLOB_BYTES) {
    return { bytes: await readBlob(blobs, digest, { maxBytes: MAX_BLOB_BYTES }) };
  }
  const path = part === 'range' ? blobs.filePath(digest) : undefined;
  return path === undefined ? 'never' : { fd: await openFd(path, 'r') };
}

function sizeIn(
  catalog: HotBlobsOptions['catalog'],
  repo: string,
  digest: Digest,
): Promise<number | undefined> {
  return catalog.repositories.blobSize(parseRepoName(repo), digest);
}
