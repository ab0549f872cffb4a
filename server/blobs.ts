import type { BlobStore } from '../storage/blob-store.ts';
import { readBlobName } from './http/blob-name.ts';
import { HttpError } from './http/errors.ts';
import type { RawRoute } from './http/exchange.ts';
import { sendStored } from './http/send-stored.ts';

const PREFIX = '/v1/blobs/';

/** `GET` and `HEAD /v1/blobs/{digest}`: every immutable object, by what it is called. */
export function createBlobRoute(options: { readonly blobs: BlobStore }): RawRoute {
  return async (x) => {
    if (!x.path.startsWith(PREFIX)) return false;
    x.route = '/v1/blobs/{digest}';
    if (x.req.method !== 'GET' && x.req.method !== 'HEAD') {
      throw new HttpError('method_not_allowed', 'a blob can be read only', {
        headers: { Allow: 'GET, HEAD' },
      });
    }
    const digest = readBlobName(x.path.slice(PREFIX.length));
    if (!(await sendStored(x, options.blobs, { digest }))) {
      throw new HttpError('not_found', `there is no blob ${digest}`);
    }
    return true;
  };
}
