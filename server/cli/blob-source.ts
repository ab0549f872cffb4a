import type { BlobSource } from '../../storage/fsck/remake.ts';
import { StorageError } from '../../storage/errors.ts';

/** Blobs of another origin or a cache, by digest; `token` is sent as a bearer token. */
export function httpBlobSource(server: URL, token: string | undefined): BlobSource {
  const headers = token === undefined ? {} : { authorization: `Bearer ${token}` };
  return async (digest, { signal }) => {
    const url = new URL(`/v1/blobs/${digest}`, server);
    let response: Response;
    try {
      response = await fetch(url, { headers, ...(signal !== undefined && { signal }) });
    } catch (cause) {
      throw new StorageError('unavailable', `${url.href} does not answer`, { cause });
    }
    if (response.status === 200 && response.body !== null) return response.body;
    await response.body?.cancel();
    if (response.status === 404) return undefined;
    throw new StorageError('unavailable', `${url.href}: ${response.status}`);
  };
}
