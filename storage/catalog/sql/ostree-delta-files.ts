import type { Transaction } from 'kysely';

import type { RepoName } from '../../names.ts';
import type { OstreeChecksum } from '../../ostree/checksum.ts';
import type {
  OstreeDeltaFile,
  OstreeDeltaName,
  OstreeDeltaServed,
  OstreeLoose,
} from '../ostree-delta-catalog.ts';
import type { Schema } from '../schema.ts';
import { nameStored } from './condemned.ts';
import { batches, type SqlContext } from './context.ts';
import { fromColumn, fromOf } from './ostree-delta-rows.ts';
import { looseOf } from './ostree-loose.ts';

/** Names stored files; `unavailable` when one is being collected. */
export async function nameFiles(
  tx: Transaction<Schema>,
  delta: number,
  files: readonly OstreeDeltaFile[],
  nowMs: number,
): Promise<void> {
  await nameStored(tx, files, nowMs);
  for (const batch of batches(files)) {
    await tx
      .insertInto('ostree_delta_files')
      .values(batch.map(({ name, digest, size }) => ({ delta, name, digest, size })))
      .onConflict((oc) =>
        oc.columns(['delta', 'name']).doUpdateSet((eb) => ({
          digest: eb.ref('excluded.digest'),
          size: eb.ref('excluded.size'),
        })),
      )
      .execute();
  }
}

export async function dropFiles(tx: Transaction<Schema>, deltas: readonly number[]): Promise<void> {
  for (const batch of batches(deltas)) {
    await tx.deleteFrom('ostree_delta_files').where('delta', 'in', batch).execute();
  }
}

/** What clients ask for of static deltas, and what they take without one. */
export class SqlOstreeDeltaFiles {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async file(
    { repo, from, to }: OstreeDeltaName,
    name: string,
    keptSinceMs: number,
  ): Promise<OstreeDeltaFile | undefined> {
    return this.#context.db
      .selectFrom('ostree_deltas as d')
      .innerJoin('ostree_delta_files as f', 'f.delta', 'd.id')
      .select(['f.name', 'f.digest', 'f.size'])
      .where('d.repo', '=', repo)
      .where('d.to_checksum', '=', to)
      .where('d.from_checksum', '=', fromColumn(from))
      .where('f.name', '=', name)
      .where((eb) =>
        eb.or([
          eb('d.state', '=', 'published'),
          // What was retired while it was built has files that nobody proved.
          eb.and([
            eb('d.state', '=', 'retired'),
            eb('d.superblock_bytes', 'is not', null),
            eb('d.updated_ms', '>', keptSinceMs),
          ]),
        ]),
      )
      .executeTakeFirst();
  }

  async loose(delta: OstreeDeltaName): Promise<OstreeLoose> {
    return looseOf(this.#context, delta);
  }

  async published(repo: RepoName, to: OstreeChecksum): Promise<readonly OstreeDeltaServed[]> {
    const rows = await this.#context.db
      .selectFrom('ostree_deltas as d')
      .innerJoin('ostree_delta_files as f', 'f.delta', 'd.id')
      .select(['d.from_checksum', 'f.digest'])
      .where('d.repo', '=', repo)
      .where('d.to_checksum', '=', to)
      .where('d.state', '=', 'published')
      .where('f.name', '=', 'superblock')
      .orderBy('d.from_checksum')
      .execute();
    return rows.map(({ from_checksum, digest }) => ({
      name: { repo, from: fromOf(from_checksum), to },
      superblock: digest,
    }));
  }
}
