import { readBlob, type BlobStore } from '../storage/blob-store.ts';
import type { Catalog } from '../storage/catalog/catalog.ts';
import { isDigest, type Digest } from '../storage/digest.ts';
import { parseRepoName } from '../storage/names.ts';
import type { HotSource } from './http/hot/hot-answers.ts';
import { blobHeaders } from './http/send-blob.ts';

/** Larger blobs are read from their files each time. */
const MAX_BLOB_BYTES = 64 * 1024;

const BLOB_PATH = /^\/(?:v1|v2\/(.+))\/blobs\/([^/]+)$/;

export interface HotBlobsOptions {
  readonly blobs: BlobStore;
  readonly catalog: Pick<Catalog, 'repositories' | 'removalEpoch'>;
}

/** Small blobs of `/v1/blobs/{digest}` and `/v2/{name}/blobs/{digest}` as hot answers; digests are checked. */
export function createHotBlobs({ blobs, catalog }: HotBlobsOptions): HotSource {
  return {
    epoch: () => catalog.removalEpoch(),
    async load(path) {
      const match = BLOB_PATH.exec(path);
      const digest = match?.[2];
      if (digest === undefined || !isDigest(digest)) return 'never';
      const repo = match?.[1];
      if (repo !== undefined && !(await isLinked(catalog, repo, digest))) return undefined;
      const size = (await blobs.stat(digest))?.size;
      if (size === undefined) return undefined;
      if (size > MAX_BLOB_BYTES) return 'never';
      const body = await readBlob(blobs, digest, { maxBytes: MAX_BLOB_BYTES });
      return {
        route: repo === undefined ? '/v1/blobs/{digest}' : '/v2/{name}/blobs/{digest}',
        headers: {
          ...(repo !== undefined && { 'Docker-Distribution-Api-Version': 'registry/2.0' }),
          ...blobHeaders({ digest }),
          'Content-Type': 'application/octet-stream',
          'Content-Length': body.length,
        },
        body,
      };
    },
  };
}

function isLinked(
  catalog: HotBlobsOptions['catalog'],
  repo: string,
  digest: Digest,
): Promise<boolean> {
  return catalog.repositories.hasBlob(parseRepoName(repo), digest);
}
