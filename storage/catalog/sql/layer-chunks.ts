import type { Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { ChunkedLayer } from '../layer-catalog.ts';
import type { Schema } from '../schema.ts';
import { batches } from './context.ts';

/** A pack of others that the collector dropped after the chunker looked its chunks up. */
export async function firstUnknownPack(
  tx: Transaction<Schema>,
  result: Pick<ChunkedLayer, 'pack' | 'packs'>,
): Promise<Digest | undefined> {
  const others = result.packs.filter((pack) => pack !== result.pack?.digest);
  for (const batch of batches(others)) {
    const rows = await tx
      .selectFrom('packs')
      .select('digest')
      .where('digest', 'in', batch)
      .execute();
    const known = new Set(rows.map((row) => row.digest));
    const gone = batch.find((pack) => !known.has(pack));
    if (gone !== undefined) return gone;
  }
  return undefined;
}

export async function addPack(
  tx: Transaction<Schema>,
  { digest, size }: NonNullable<ChunkedLayer['pack']>,
): Promise<void> {
  await tx
    .insertInto('packs')
    .values({ digest, size })
    .onConflict((oc) => oc.column('digest').doNothing())
    .execute();
}

/** Notes where the chunks lie; a place in a pack of which the table has one already stays as it is. */
export async function addChunks(
  tx: Transaction<Schema>,
  result: Pick<ChunkedLayer, 'newChunks'>,
): Promise<void> {
  // In the order of their digests: of two that add the same ones at once one waits, and not each for the other.
  const ordered = result.newChunks.toSorted((a, b) => (a.digest < b.digest ? -1 : 1));
  const rows = ordered.map((chunk) => ({
    digest: chunk.digest,
    pack: chunk.pack,
    first_byte: chunk.offset,
    length: chunk.length,
    raw_length: chunk.rawLength,
  }));
  for (const batch of batches(rows)) {
    await tx
      .insertInto('chunks')
      .values(batch)
      .onConflict((oc) => oc.columns(['digest', 'pack']).doNothing())
      .execute();
  }
}

export async function addLayerPacks(
  tx: Transaction<Schema>,
  layer: Digest,
  packs: readonly Digest[],
): Promise<void> {
  await tx.deleteFrom('layer_packs').where('layer', '=', layer).execute();
  const rows = [...new Set(packs)].map((pack) => ({ layer, pack }));
  for (const batch of batches(rows)) await tx.insertInto('layer_packs').values(batch).execute();
}
