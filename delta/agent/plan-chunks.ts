import {
  MAX_INDEX_BYTES,
  parseChunkIndex,
  type ChunkIndex,
} from '../../storage/chunk/chunk-index.ts';
import type { Digest } from '../../storage/digest.ts';
import { ChunkSource } from './chunk-source.ts';
import { DeviceError } from './errors.ts';
import { fetchRelease } from './fetch-release.ts';
import { layoutBlob } from './paths.ts';
import type { FetchedPlan, PlanEnv } from './plan.ts';
import type { ChunksPlan } from './protocol.ts';
import type { SlotWriter } from './slot-writer.ts';

/** Fetches, for the layers that no slot has, the chunks that the running release does not hold. */
export async function fetchChunks(plan: ChunksPlan, env: PlanEnv): Promise<FetchedPlan> {
  const image = await fetchRelease(env);
  const indexes = new Map<Digest, ChunkIndex>();
  for (const diffId of new Set(image.diffIds)) {
    if ((await env.layers.find(diffId, env.signal)) !== undefined) continue;
    indexes.set(diffId, await fetchIndex(plan, diffId, env));
  }
  const outputBytes = [...indexes.values()].reduce((sum, index) => sum + index.rawSize, 0);
  const source = new ChunkSource(env);
  try {
    const wanted = [...indexes.values()];
    const tars = (env.base?.image.diffIds ?? []).map((diffId) =>
      layoutBlob(env.base?.path ?? '', diffId),
    );
    if (wanted.length > 0) for (const tar of tars) await source.addTar(tar);
    if (!wanted.every((index) => source.holdsAny(index))) {
      // A server that chunked this layer before layers were cut on file boundaries shares nothing else.
      for (const tar of tars) await source.addTar(tar, 'one-stream');
    }
    for (const index of wanted) await source.find(index);
    const { bytes, requests } = source.missing(wanted);
    await env.need({ diskBytes: outputBytes + bytes, fetchBytes: bytes, requests });
    for (const index of wanted) await source.fetch(index);
  } catch (error) {
    await source.close();
    throw error;
  }
  return {
    image,
    outputBytes,
    apply: (writer) => apply(env, writer, indexes, source, outputBytes),
    close: () => source.close(),
  };
}

async function fetchIndex(plan: ChunksPlan, diffId: Digest, env: PlanEnv): Promise<ChunkIndex> {
  const layer = plan.layers.find((candidate) => candidate.diffId === diffId);
  if (layer === undefined) {
    throw new DeviceError('corrupt', `the chunks plan leaves out the layer ${diffId}`);
  }
  const { digest, size } = layer.index;
  const bytes = await env.fetcher.bytes({ digest, size, maxBytes: MAX_INDEX_BYTES });
  const index = parseChunkIndex(bytes);
  if (index.diffId !== diffId) {
    throw new DeviceError('corrupt', `the chunk index ${digest} makes ${index.diffId}`);
  }
  return index;
}

async function apply(
  env: PlanEnv,
  writer: SlotWriter,
  indexes: ReadonlyMap<Digest, ChunkIndex>,
  source: ChunkSource,
  total: number,
): Promise<void> {
  let done = 0;
  const assemble = async function* (index: ChunkIndex): AsyncGenerator<Buffer> {
    for (const chunk of index.chunks) {
      const bytes = await source.read(chunk);
      done += bytes.length;
      env.onApply(done, total);
      yield bytes;
    }
  };
  for (const diffId of new Set(writer.image.diffIds)) {
    if (await writer.adopt(diffId)) continue;
    const index = indexes.get(diffId);
    if (index !== undefined)
      await writer.write(diffId, env.buffers.through(env.space.pass(assemble(index))));
  }
}
