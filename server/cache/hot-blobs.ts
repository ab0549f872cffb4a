import type { Clock } from '../../storage/clock.ts';
import { isDigest, type Digest } from '../../storage/digest.ts';
import { parseRepoName } from '../../storage/names.ts';
import type { HotSource } from '../http/hot/hot-answers.ts';
import { blobHeaders } from '../http/send-blob.ts';
import type { BlobCache } from './blob-cache.ts';
import type { ForeignCheck } from './registries/foreign-check.ts';

/** Larger blobs are read from their files each time, block by block with its checksum. */
const MAX_BLOB_BYTES = 64 * 1024;
/** What is hot is read from its file again this often, which also counts as its use. */
const HOT_MS = 600_000;

const BLOB_PATH = /^\/(?:v1|v2\/(.+))\/blobs\/([^/]+)$/;

export interface HotCachedBlobsOptions {
  readonly blobs: Pick<BlobCache, 'readSmall'>;
  readonly foreign: Pick<ForeignCheck, 'admitBlob'>;
  readonly clock: Clock;
}

/**
 * Small blobs that are here and whole as hot answers, under both paths; a cache keeps a blob by its
 * digest alone, whatever the repository. An answer outlives the eviction of its blob: its bytes were
 * checked, and can't change.
 */
export function createHotCachedBlobs({ blobs, foreign, clock }: HotCachedBlobsOptions): HotSource {
  return {
    epoch: () => Math.floor(clock() / HOT_MS),
    async load(path) {
      const match = BLOB_PATH.exec(path);
      const repo = match?.[1];
      const digest = match?.[2];
      if (digest === undefined || !isDigest(digest)) return 'never';
      await foreign.admitBlob(digest, repo === undefined ? undefined : parseRepoName(repo));
      const bytes = await blobs.readSmall(digest, MAX_BLOB_BYTES);
      if (bytes === undefined) return undefined;
      if (bytes === 'large') return 'never';
      return {
        route: repo === undefined ? '/v1/blobs/{digest}' : '/v2/{name}/blobs/{digest}',
        headers: headersOf(digest, repo),
        mediaType: 'application/octet-stream',
        size: bytes.length,
        content: { bytes },
      };
    },
  };
}

function headersOf(digest: Digest, repo: string | undefined): ReturnType<typeof blobHeaders> {
  const version = { 'Docker-Distribution-Api-Version': 'registry/2.0' };
  return { ...(repo !== undefined && version), ...blobHeaders({ digest }) };
}
