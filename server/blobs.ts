import type { BlobStore } from '../storage/blob-store.ts';
import { readBlobName } from './http/blob-name.ts';
import { HttpError } from './http/errors.ts';
import type { RawRoute } from './http/exchange.ts';
import { sendComposite, type CompositeSource } from './http/send-composite.ts';
import { sendStored } from './http/send-stored.ts';

const PREFIX = '/v1/blobs/';

/** `GET` and `HEAD /v1/blobs/{digest}`: every immutable object, by what it is called. */
export function createBlobRoute({
  blobs,
  composites,
}: {
  readonly blobs: BlobStore;
  /** Blobs that no object holds; undefined: there are none. */
  readonly composites?: CompositeSource | undefined;
}): RawRoute {
  return async (x) => {
    if (!x.path.startsWith(PREFIX)) return false;
    x.route = '/v1/blobs/{digest}';
    if (x.req.method !== 'GET' && x.req.method !== 'HEAD') {
      throw new HttpError('method_not_allowed', 'a blob can be read only', {
        headers: { Allow: 'GET, HEAD' },
      });
    }
    const digest = readBlobName(x.path.slice(PREFIX.length));
    const sent =
      (await sendStored(x, blobs, { digest })) ||
      (composites !== undefined && (await sendComposite(x, composites, { digest })));
    if (!sent) {
      throw new HttpError('not_found', `there is no blob ${digest}`);
    }
    return true;
  };
}
