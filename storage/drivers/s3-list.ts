import { StorageError } from '../errors.ts';
import { isObjectKey } from '../keys.ts';
import type { IoOptions, ObjectEntry } from '../object-store.ts';
import type { S3Connection } from './s3-connection.ts';

const PAGE_KEYS = 1000;

export interface S3Place {
  readonly bucket: string;
  /** Prepended to every key; empty or ending in `/`. */
  readonly prefix: string;
}

/**
 * Every object below a prefix, page by page; each page is tried again by itself. A key that comes
 * twice, within a page or at the edge of two, is told once. Pages that go in a circle are `unavailable`.
 */
export async function* listObjects(
  connection: S3Connection,
  place: S3Place,
  prefix: string,
  options: IoOptions & { readonly what: string },
): AsyncGenerator<ObjectEntry> {
  // No key begins like that, and some servers refuse to look.
  if (!/^[a-z0-9/]*$/.test(prefix)) return;
  const { what, signal } = options;
  let told = new Set<string>();
  for (let token: string | undefined = ''; token !== undefined;) {
    const from: string = token;
    const page = await connection.control(what, signal, (client) =>
      client.listObjectsV2Query(place.bucket, `${place.prefix}${prefix}`, from, '', PAGE_KEYS, ''),
    );
    const before = told;
    told = new Set();
    for (const { name, size, lastModified } of page.objects) {
      const key = name?.slice(place.prefix.length);
      if (key === undefined || lastModified === undefined || !isObjectKey(key)) continue;
      if (before.has(key) || told.has(key)) continue;
      told.add(key);
      yield { key, size, modifiedMs: lastModified.getTime() };
    }
    token = page.isTruncated ? page.nextContinuationToken : undefined;
    if (token === from) {
      throw new StorageError('unavailable', `${what}: the server repeats a page for ever`, {
        retryable: false,
      });
    }
  }
}
