import type { BlobStore } from '../../storage/blob-store.ts';
import { StorageError } from '../../storage/errors.ts';
import { openVerified } from '../../storage/verified-open.ts';
import type { Exchange } from './exchange.ts';
import type { OpenRange } from './joined-reader.ts';
import { OpenFile } from './open-file.ts';
import { sendBlob, sendFile, type BlobHead } from './send-blob.ts';

/** A blob as a row tells of it. */
export interface StoredHead extends BlobHead {
  /** Bytes that it must have; undefined: no row was asked. */
  readonly size?: number | undefined;
}

/**
 * Answers a GET or HEAD from a blob store; false, with nothing sent, when the blob is missing. `corrupt`
 * when the store has another number of bytes than the row says: a file that was cut behind our back
 * would otherwise be a whole one that is shorter.
 */
export async function sendStored(
  x: Exchange,
  blobs: BlobStore,
  head: StoredHead,
): Promise<boolean> {
  const path = blobs.filePath(head.digest);
  if (path !== undefined) {
    const file = await OpenFile.open(path);
    if (file === undefined) return false;
    if (isOtherSize(head, file.size)) {
      await file.close();
      throw cut(head, file.size);
    }
    await sendFile(x, head, file);
    return true;
  }
  const { digest } = head;
  const stat = await blobs.stat(digest, { signal: x.signal });
  if (stat === undefined) return false;
  if (isOtherSize(head, stat.size)) throw cut(head, stat.size);
  const open: OpenRange =
    x.req.method === 'HEAD'
      ? (range, signal) => blobs.open(digest, { range, signal })
      : await openVerified(blobs, digest, stat.size, { signal: x.signal });
  await sendBlob(x, { ...head, size: stat.size, open });
  return true;
}

function isOtherSize({ size }: StoredHead, stored: number): boolean {
  return size !== undefined && size !== stored;
}

function cut({ digest, size }: StoredHead, stored: number): StorageError {
  return new StorageError(
    'corrupt',
    `the store has ${stored} bytes of ${digest}, of ${size ?? 0}: run rivulet fsck`,
    { detail: { digest } },
  );
}
