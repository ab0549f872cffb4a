import { createReadStream } from 'node:fs';
import { rm } from 'node:fs/promises';

import { openLayer } from '../../storage/chunk/layer-stream.ts';
import type { Descriptor } from '../../storage/descriptor.ts';
import type { Digest } from '../../storage/digest.ts';
import { fetchRelease } from './fetch-release.ts';
import { fetchStem } from './paths.ts';
import { rawSize, type FetchedPlan, type PlanEnv } from './plan.ts';
import type { SlotWriter } from './slot-writer.ts';

/** Bounds what a lying gzip layer may unpack to where the decision does not tell. */
const MAX_RAW_BYTES = 64 * 1024 ** 3;

/** Fetches manifest, config and the layers, as pushed, whose diff_id no slot has. */
export async function fetchFull(env: PlanEnv): Promise<FetchedPlan> {
  const image = await fetchRelease(env);
  const missing = new Map<Digest, Descriptor>();
  let outputBytes = 0;
  for (const [i, diffId] of image.diffIds.entries()) {
    const layer = image.manifest.layers[i];
    if (layer === undefined || missing.has(diffId)) continue;
    if ((await env.layers.find(diffId, env.signal)) !== undefined) continue;
    missing.set(diffId, layer);
    outputBytes += rawSize(env.decision, diffId) ?? layer.size;
  }
  const layers = [...missing.values()];
  let fetchBytes = 0;
  for (const layer of layers) fetchBytes += await env.fetcher.missingBytes(layer);
  const packedBytes = layers.reduce((sum, layer) => sum + layer.size, 0);
  await env.need({ diskBytes: outputBytes + packedBytes, fetchBytes, requests: layers.length });
  for (const { digest, size } of layers) {
    await env.fetcher.blob({ digest, size, maxBytes: size });
  }
  return {
    image,
    outputBytes,
    apply: (writer) => applyFull(env, writer, missing, outputBytes),
    close: () => Promise.resolve(),
  };
}

async function applyFull(
  env: PlanEnv,
  writer: SlotWriter,
  missing: ReadonlyMap<Digest, Descriptor>,
  total: number,
): Promise<void> {
  let done = 0;
  const count = async function* (source: AsyncIterable<Buffer>): AsyncGenerator<Buffer> {
    for await (const bytes of source) {
      done += bytes.length;
      env.onApply(done, Math.max(done, total));
      yield bytes;
    }
  };
  for (const diffId of new Set(writer.image.diffIds)) {
    if (await writer.adopt(diffId)) continue;
    const layer = missing.get(diffId);
    if (layer === undefined) continue;
    const path = fetchStem(env.paths, layer.digest);
    const maxRawBytes = rawSize(env.decision, diffId) ?? MAX_RAW_BYTES;
    const tar = openLayer(createReadStream(path), { maxRawBytes, signal: env.signal });
    await writer.write(diffId, env.buffers.through(env.space.pass(count(tar))));
    await rm(path, { force: true });
  }
}
