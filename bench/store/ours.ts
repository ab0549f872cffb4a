import { stat } from 'node:fs/promises';
import { join } from 'node:path';

import { makeLayerForm } from '../../delta/oci/zstd-chunked/layer-form.ts';
import { runLayerJob } from '../../delta/work.ts';
import { openStore } from '../../server/open-store.ts';
import { readBlob } from '../../storage/blob-store.ts';
import { MAX_INDEX_BYTES, parseChunkIndex } from '../../storage/chunk/chunk-index.ts';
import { MEDIA_TYPES } from '../../storage/descriptor.ts';
import type { Digest } from '../../storage/digest.ts';

/** A layer as it is pushed. */
export interface PushedLayer {
  readonly digest: Digest;
  readonly bytes: Buffer;
  /** Bytes of its tar. */
  readonly rawSize: number;
}

export interface OursResult {
  /** What was pushed, each blob once. */
  readonly pushedBytes: number;
  readonly packBytes: number;
  readonly indexBytes: number;
  readonly catalogBytes: number;
  /** What zstd:chunked forms of all layers take beside. */
  readonly formBytes: number;
  readonly rawBytes: number;
  /** Seconds of processor time that chunking took, in all threads; and making the forms. */
  readonly chunkSeconds: number;
  readonly formSeconds: number;
}

/** Pushes layers into a store of ours, in order, and chunks them with the code that a builder runs. */
export async function measureOurs(
  dir: string,
  layers: readonly PushedLayer[],
): Promise<OursResult> {
  const data = join(dir, 'rivulet');
  const store = await openStore({ data, store: { kind: 'fs' }, catalog: { kind: 'sqlite' } });
  const { blobs, catalog } = store;
  const scratch = join(data, 'scratch');
  const rules = { leaseMs: 600_000, maxAttempts: 1, clock: Date.now };
  const sum = { pushedBytes: 0, packBytes: 0, indexBytes: 0, formBytes: 0, rawBytes: 0 };
  let [chunkSeconds, formSeconds] = [0, 0];
  try {
    for (const { digest, bytes, rawSize } of layers) {
      if ((await catalog.layers.get(digest)) !== undefined) continue;
      await blobs.put(digest, [bytes]);
      await catalog.layers.ensure(digest, MEDIA_TYPES.ociLayerGzip);
      sum.pushedBytes += bytes.length;
      sum.rawBytes += rawSize;
      const claim = await catalog.layers.claim('bench', rules.leaseMs);
      if (claim === undefined) throw new Error(`layer ${digest} is not there to be claimed`);
      const before = process.cpuUsage();
      const outcome = await runLayerJob({ blobs, catalog, scratch, ...rules }, claim);
      if (outcome.kind !== 'chunked') throw new Error(`layer ${digest}: ${outcome.kind}`);
      chunkSeconds += secondsSince(before);
      const index = (await catalog.layers.get(digest))?.index;
      if (index === undefined) throw new Error(`layer ${digest} has no index`);
      sum.indexBytes += index.size;
      const parsed = await readBlob(blobs, index.digest, { maxBytes: MAX_INDEX_BYTES });
      const middle = process.cpuUsage();
      const form = await makeLayerForm({ blobs, index: parseChunkIndex(parsed), scratch });
      formSeconds += secondsSince(middle);
      sum.formBytes += form.own.size + form.map.size;
    }
    for (const { size = 0 } of await catalog.audit.expected('pack', undefined, 10_000)) {
      sum.packBytes += size;
    }
  } finally {
    await store.close();
  }
  const { size: catalogBytes } = await stat(join(data, 'catalog.sqlite'));
  return { ...sum, catalogBytes, chunkSeconds, formSeconds };
}

function secondsSince(before: NodeJS.CpuUsage): number {
  const { user, system } = process.cpuUsage(before);
  return (user + system) / 1e6;
}
