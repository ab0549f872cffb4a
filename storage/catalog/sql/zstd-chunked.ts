import type { Kysely, Selectable } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName } from '../../names.ts';
import type { Lease, StoredBlob } from '../layer-catalog.ts';
import type { Schema } from '../schema.ts';
import type { ImageForm, ZstdChunkedCatalog } from '../zstd-chunked-catalog.ts';
import { nameStored } from './condemned.ts';
import { batches, unlessBeingClaimed, type SqlContext } from './context.ts';
import { claimed, expectHeld, UNCLAIMED, isDue, isOver } from './leases.ts';
import { SqlLayerForms } from './zstd-chunked-layers.ts';

/** zstd:chunked forms; those of layers come from {@link SqlLayerForms}. */
export class SqlZstdChunked extends SqlLayerForms implements ZstdChunkedCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    super(context);
    this.#context = context;
  }

  async ensure(repo: RepoName, sources: readonly Digest[]): Promise<number> {
    const { db, clock } = this.#context;
    let added = 0;
    for (const batch of batches(sources)) {
      added += await db.transaction().execute(async (tx) => {
        const known = await tx
          .selectFrom('manifests')
          .select('digest')
          .where('repo', '=', repo)
          .where('digest', 'in', batch)
          .execute();
        if (known.length === 0) return 0;
        const due_ms = clock();
        const rows = await tx
          .insertInto('zstd_chunked_images')
          .values(known.map(({ digest }) => ({ repo, source: digest, state: 'pending', due_ms })))
          .onConflict((oc) => oc.columns(['repo', 'source']).doNothing())
          .returning('source')
          .execute();
        return rows.length;
      });
    }
    return added;
  }

  async image(repo: RepoName, source: Digest): Promise<ImageForm | undefined> {
    const row = await this.#context.db
      .selectFrom('zstd_chunked_images')
      .selectAll()
      .where('repo', '=', repo)
      .where('source', '=', source)
      .executeTakeFirst();
    return row && toImage(row);
  }

  async published(repo: RepoName, digest: Digest): Promise<ImageForm | undefined> {
    const row = await this.#context.db
      .selectFrom('zstd_chunked_images')
      .selectAll()
      .where('repo', '=', repo)
      .where('digest', '=', digest)
      .where('state', '=', 'published')
      .executeTakeFirst();
    return row && toImage(row);
  }

  async claim(
    owner: string,
    leaseMs: number,
  ): Promise<{ readonly image: ImageForm; readonly lease: Lease } | undefined> {
    const { db, clock } = this.#context;
    const nowMs = clock();
    const row = await db
      .updateTable('zstd_chunked_images')
      .set((eb) => ({
        state: 'building' as const,
        attempts: eb('attempts', '+', 1),
        ...claimed(owner, nowMs + leaseMs),
      }))
      .where((eb) =>
        eb(
          eb.refTuple('repo', 'source'),
          'in',
          eb
            .selectFrom('zstd_chunked_images as free')
            .select(['free.repo', 'free.source'])
            .where((is) =>
              is.or([
                is('free.state', '=', 'pending').and(isDue('free.due_ms', nowMs)),
                is('free.state', '=', 'building').and(
                  isOver('free.lease_until_ms', nowMs, leaseMs),
                ),
              ]),
            )
            .orderBy('free.due_ms')
            .orderBy('free.repo')
            .orderBy('free.source')
            .limit(1)
            .modifyEnd(unlessBeingClaimed(this.#context))
            .$asTuple('repo', 'source'),
        ),
      )
      .returningAll()
      .executeTakeFirst();
    return row && { image: toImage(row), lease: { owner, fence: row.fence } };
  }

  async renew(image: ImageForm, lease: Lease, leaseMs: number): Promise<void> {
    const { db, clock } = this.#context;
    await updateHeld(db, image, lease, { lease_until_ms: clock() + leaseMs });
  }

  async publish(
    image: ImageForm,
    lease: Lease,
    manifest: StoredBlob & { readonly mediaType: string },
  ): Promise<void> {
    const { db, clock } = this.#context;
    const { digest, size, mediaType } = manifest;
    await db.transaction().execute(async (tx) => {
      await nameStored(tx, [manifest], clock());
      const facts = { digest, size, media_type: mediaType, reason: null, ...UNCLAIMED };
      await updateHeld(tx, image, lease, { state: 'published', ...facts });
    });
  }

  async postpone(image: ImageForm, lease: Lease, reason: string, retryAtMs: number): Promise<void> {
    const attempts = image.attempts - 1;
    const change = { state: 'pending' as const, due_ms: retryAtMs, attempts, reason };
    await updateHeld(this.#context.db, image, lease, { ...change, ...UNCLAIMED });
  }

  async fail(
    image: ImageForm,
    lease: Lease,
    reason: string,
    retryAtMs: number | undefined,
  ): Promise<void> {
    const { db, clock } = this.#context;
    await updateHeld(db, image, lease, {
      state: retryAtMs === undefined ? 'refused' : 'pending',
      due_ms: retryAtMs ?? clock(),
      reason,
      ...UNCLAIMED,
    });
  }
}

type ImageChange = Partial<
  Omit<Selectable<Schema['zstd_chunked_images']>, 'repo' | 'source' | 'fence'>
>;

async function updateHeld(
  db: Kysely<Schema>,
  { repo, source }: ImageForm,
  lease: Lease,
  change: ImageChange,
): Promise<void> {
  const { numUpdatedRows } = await db
    .updateTable('zstd_chunked_images')
    .set(change)
    .where('repo', '=', repo)
    .where('source', '=', source)
    .where('state', '=', 'building')
    .where('owner', '=', lease.owner)
    .where('fence', '=', lease.fence)
    .executeTakeFirst();
  expectHeld(numUpdatedRows, `the zstd:chunked form of ${repo}@${source}`, lease);
}

function toImage(row: Selectable<Schema['zstd_chunked_images']>): ImageForm {
  const { repo, source, state, attempts, digest, size, media_type, reason } = row;
  const named = digest !== null && size !== null && media_type !== null;
  return {
    ...{ repo, source, state, attempts },
    ...(named && { manifest: { digest, size, mediaType: media_type } }),
    ...(reason !== null && { reason }),
  };
}
