import type { IoOptions } from '../../../storage/object-store.ts';
import { checkAborted } from '../../errors.ts';
import { writeFilez } from '../objects/filez-write.ts';
import type { DeltaObject } from '../static-delta/build/delta-objects.ts';
import type { StoredObjects } from './stored-objects.ts';

const PIECE_BYTES = 256 * 1024;

/**
 * About what a client fetches without a delta: the objects as they are stored, whose chunks are
 * compressed a little better than a `.filez`. Never far above the truth, and cheap.
 */
export async function storedBytesOf(
  store: StoredObjects,
  objects: readonly DeltaObject[],
  { signal }: IoOptions,
): Promise<number> {
  let bytes = 0;
  for (const object of objects) {
    checkAborted(signal, 'measuring objects');
    bytes += await store.storedBytes(object);
  }
  return bytes;
}

/** Exactly that: every file compressed as clients get it. Takes a while. */
export async function looseBytesOf(
  store: StoredObjects,
  objects: readonly DeltaObject[],
  { signal }: IoOptions,
): Promise<number> {
  let bytes = 0;
  for (const object of objects) {
    checkAborted(signal, 'measuring objects');
    if (object.kind === 'file') {
      const { header, content } = await store.openFile(object.checksum);
      const filez = writeFilez({ header, size: content.size }, piecesOf(content));
      for await (const { length } of filez) bytes += length;
    } else {
      bytes += await store.storedBytes(object);
    }
  }
  return bytes;
}

async function* piecesOf(content: {
  readonly size: number;
  read(offset: number, length: number): Promise<Buffer>;
}): AsyncGenerator<Buffer> {
  for (let at = 0; at < content.size; at += PIECE_BYTES) {
    yield content.read(at, Math.min(PIECE_BYTES, content.size - at));
  }
}
