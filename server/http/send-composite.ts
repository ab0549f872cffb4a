import type { Catalog } from '../../storage/catalog/catalog.ts';
import type { CompositeReader } from '../../storage/composite/composite-reader.ts';
import { isStorageError } from '../../storage/errors.ts';
import type { Exchange } from './exchange.ts';
import type { OpenRange } from './joined-reader.ts';
import { sendBlob, type BlobHead } from './send-blob.ts';

export interface CompositeSource {
  readonly catalog: Pick<Catalog, 'zstdChunked'>;
  readonly composites: CompositeReader;
}

/**
 * Answers a GET or HEAD for a blob that is made of runs of others, the zstd:chunked form of a layer;
 * false, with nothing sent, when there is none of that name, or its map was lost.
 */
export async function sendComposite(
  x: Exchange,
  { catalog, composites }: CompositeSource,
  head: BlobHead,
): Promise<boolean> {
  const form = await catalog.zstdChunked.composite(head.digest);
  if (form === undefined) return false;
  const map = form.map.digest;
  let size: number;
  try {
    size = await composites.size(map);
  } catch (error) {
    if (isStorageError(error, 'missing')) return false;
    throw error;
  }
  const open: OpenRange = (range, signal) => composites.open(map, range, { signal });
  await sendBlob(x, { ...head, size, open });
  return true;
}
