import { readBlobName } from '../http/blob-name.ts';
import { HttpError } from '../http/errors.ts';
import type { RawRoute } from '../http/exchange.ts';
import type { BlobCache } from './blob-cache.ts';
import { answerV1 } from './failure.ts';
import type { ForeignCheck } from './registries/foreign-check.ts';
import { sendCachedBlob } from './send-cached-blob.ts';

const PREFIX = '/v1/blobs/';

/** `GET` and `HEAD /v1/blobs/{digest}` out of the cache: of what the origin has. */
export function createCachedBlobRoute(cache: BlobCache, foreign: ForeignCheck): RawRoute {
  return async (x) => {
    if (!x.path.startsWith(PREFIX)) return false;
    x.route = '/v1/blobs/{digest}';
    if (x.req.method !== 'GET' && x.req.method !== 'HEAD') {
      throw new HttpError('method_not_allowed', 'a blob can be read only', {
        headers: { Allow: 'GET, HEAD' },
      });
    }
    const digest = readBlobName(x.path.slice(PREFIX.length));
    await answerV1(x, async () => {
      await foreign.admitBlob(digest);
      await sendCachedBlob(x, cache, digest);
    });
    return true;
  };
}
