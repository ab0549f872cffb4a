import type { BlobStore } from '../../storage/blob-store.ts';
import { openVerified } from '../../storage/verified-open.ts';
import type { Exchange } from './exchange.ts';
import type { OpenRange } from './joined-reader.ts';
import { OpenFile } from './open-file.ts';
import { sendBlob, sendFile, type BlobHead } from './send-blob.ts';

/** Answers a GET or HEAD from a blob store; false, with nothing sent, when the blob is missing. */
export async function sendStored(x: Exchange, blobs: BlobStore, head: BlobHead): Promise<boolean> {
  const path = blobs.filePath(head.digest);
  if (path !== undefined) {
    const file = await OpenFile.open(path);
    if (file === undefined) return false;
    await sendFile(x, head, file);
    return true;
  }
  const { digest } = head;
  const stat = await blobs.stat(digest, { signal: x.signal });
  if (stat === undefined) return false;
  const open: OpenRange =
    x.req.method === 'HEAD'
      ? (range, signal) => blobs.open(digest, { range, signal })
      : await openVerified(blobs, digest, stat.size, { signal: x.signal });
  await sendBlob(x, { ...head, size: stat.size, open });
  return true;
}
