import type { Kysely, Transaction } from 'kysely';

import { StorageError } from '../../errors.ts';
import type { RepoName } from '../../names.ts';
import type { OstreeChecksum } from '../../ostree/checksum.ts';
import { MAX_COMMITMETA_BYTES, type OstreeCommitmeta } from '../ostree-catalog.ts';
import type { Schema } from '../schema.ts';

export async function commitmetaOf(
  db: Kysely<Schema>,
  repo: RepoName,
  commit: OstreeChecksum,
): Promise<OstreeCommitmeta | undefined> {
  return db
    .selectFrom('ostree_commitmeta')
    .select(['bytes', 'updated_ms as updatedMs'])
    .where('repo', '=', repo)
    .where('checksum', '=', commit)
    .executeTakeFirst();
}

/** Replaces what is `expected`; as `OstreeCatalog.putCommitmeta`. */
export async function replaceCommitmeta(
  tx: Transaction<Schema>,
  change: {
    readonly repo: RepoName;
    readonly commit: OstreeChecksum;
    readonly bytes: Uint8Array;
    readonly expected: Uint8Array | undefined | 'any';
  },
  nowMs: number,
): Promise<void> {
  const { repo, commit, bytes, expected } = change;
  if (bytes.length > MAX_COMMITMETA_BYTES) {
    throw new StorageError(
      'too_large',
      `the commitmeta of ${commit} takes ${bytes.length} bytes, the limit is ${MAX_COMMITMETA_BYTES}`,
      { detail: { commit, size: bytes.length, limit: MAX_COMMITMETA_BYTES } },
    );
  }
  const actual = (await commitmetaOf(tx, repo, commit))?.bytes;
  if (expected !== 'any' && !sameBytes(expected, actual)) {
    throw new StorageError(
      'conflict',
      `the commitmeta of ${commit} is not the expected one any more: read it again`,
      { detail: { commit } },
    );
  }
  const row = { bytes: Buffer.from(bytes), updated_ms: nowMs };
  await tx
    .insertInto('ostree_commitmeta')
    .values({ repo, checksum: commit, ...row })
    .onConflict((oc) => oc.columns(['repo', 'checksum']).doUpdateSet(row))
    .execute();
}

function sameBytes(a: Uint8Array | undefined, b: Buffer | undefined): boolean {
  if (a === undefined || b === undefined) return a === b;
  return b.equals(a);
}
