/**
 * Chunks stored layers one after the other, and makes their zstd:chunked forms, on a thread with the heap of a
 * builder in a process of its own; tells the most memory that the process has had after each. Arguments: a
 * folder with a store, and the layers' digests.
 */
import { join } from 'node:path';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';

import { peakRss } from '../../bench/cache/peak-rss.ts';
import { makeLayerForm } from '../../delta/oci/zstd-chunked/layer-form.ts';
import { BUILDER_HEAP } from '../../server/matrix/builder-pool.ts';
import { BlobStore, readBlob } from '../../storage/blob-store.ts';
import { openSqliteCatalog } from '../../storage/catalog/sqlite.ts';
import { MAX_INDEX_BYTES, parseChunkIndex } from '../../storage/chunk/chunk-index.ts';
import { ingestLayer } from '../../storage/chunk/ingest.ts';
import { parseDigest } from '../../storage/digest.ts';
import { openFsStore } from '../../storage/drivers/fs.ts';

async function build([folder = '', ...layers]: readonly string[]): Promise<readonly number[]> {
  const scratch = folder;
  const blobs = new BlobStore(await openFsStore(join(folder, 'store')));
  const catalog = await openSqliteCatalog(join(folder, 'catalog.sqlite'), Date.now);
  const peaks: number[] = [];
  for (const digest of layers.map(parseDigest)) {
    const chunked = await ingestLayer({ blobs, layers: catalog.layers, digest, scratch });
    peaks.push(await peakRss(process.pid));
    const index = await readBlob(blobs, chunked.index.digest, { maxBytes: MAX_INDEX_BYTES });
    await makeLayerForm({ blobs, index: parseChunkIndex(index), scratch });
    peaks.push(await peakRss(process.pid));
  }
  await catalog.close();
  return peaks;
}

if (isMainThread) {
  const file = new URL(import.meta.url);
  const options = { workerData: process.argv.slice(2), resourceLimits: BUILDER_HEAP };
  new Worker(file, options).on('message', (peaks) => {
    process.stdout.write(JSON.stringify(peaks));
  });
} else {
  parentPort?.postMessage(await build(workerData as readonly string[]));
}
