import { sql } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { GcCatalog, GcCutoff, GcRows, OstreeLinkPlace } from '../gc-catalog.ts';
import type { Lease } from '../layer-catalog.ts';
import { CONDEMNED, rememberUnlinked } from './condemned.ts';
import { batches, type SqlContext } from './context.ts';
import { isLiveLayer, isNamedLink, isRecentLink } from './gc-live.ts';
import { LASTING_ROWS, NAMING_ROWS, reachedBy } from './gc-roots.ts';
import { beginRun, endRun, lastRunMs, renewRun } from './gc-runs.ts';
import { countForgotten, pruneDeltas, pruneLayers, pruneLinks, prunePacks } from './gc-prune.ts';
import { pruneLinksAfter } from './ostree-gc-links.ts';
import { pruneObjectsAfter } from './ostree-gc-objects.ts';
import { lastingOstreePacks, prunableOstree } from './ostree-live.ts';

/** A client that found its blobs there pushes the manifest within this. */
const UNLINKED_MS = 300_000;
/** A pack takes its chunks along, hundreds of them: fewer go at once, since other writers wait. */
const PACKS_COST = 4;
const ROWS = sql<number>`count(*)`.as('rows');

/** What the garbage collector asks and removes. */
export class SqlGc implements GcCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async prunable(cutoff: GcCutoff): Promise<GcRows> {
    const { db } = this.#context;
    const links = await db
      .selectFrom('repo_blobs')
      .select(ROWS)
      .where((eb) => eb.not(eb.or([isRecentLink(eb, cutoff), isNamedLink(eb)])))
      .executeTakeFirstOrThrow();
    const layers = await db
      .selectFrom('layers')
      .select(ROWS)
      .where((eb) => eb.not(isLiveLayer(eb, cutoff)))
      .executeTakeFirstOrThrow();
    const packs = await db
      .selectFrom('packs')
      .select(ROWS)
      .where((eb) =>
        eb.not(
          eb.exists(
            eb
              .selectFrom('layers')
              .innerJoin('layer_packs as p', 'p.layer', 'layers.digest')
              .select('p.pack')
              .whereRef('p.pack', '=', 'packs.digest')
              .where((live) => isLiveLayer(live, cutoff)),
          ),
        ),
      )
      .where('packs.digest', 'not in', lastingOstreePacks(cutoff))
      .executeTakeFirstOrThrow();
    return {
      links: links.rows,
      layers: layers.rows,
      packs: packs.rows,
      deltas: await countForgotten(db, 'deltas', cutoff),
      ostreeDeltas: await countForgotten(db, 'ostree_deltas', cutoff),
      ...(await prunableOstree(db, cutoff)),
    };
  }

  async prune(cutoff: GcCutoff, limit: number): ReturnType<GcCatalog['prune']> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      const links = await pruneLinks(tx, cutoff, limit);
      await rememberUnlinked(tx, links, clock() + UNLINKED_MS);
      return {
        links: links.length,
        layers: await pruneLayers(tx, cutoff, limit),
        packs: await prunePacks(tx, Math.ceil(limit / PACKS_COST)),
        deltas: await pruneDeltas(tx, 'deltas', cutoff, limit),
        ostreeDeltas: await pruneDeltas(tx, 'ostree_deltas', cutoff, limit),
      };
    });
  }

  async pruneOstreeLinks(
    cutoff: GcCutoff,
    after: OstreeLinkPlace | undefined,
    limit: number,
  ): ReturnType<GcCatalog['pruneOstreeLinks']> {
    return pruneLinksAfter(this.#context.db, cutoff, after, limit);
  }

  async pruneOstreeObjects(
    cutoff: GcCutoff,
    after: number | undefined,
    limit: number,
  ): ReturnType<GcCatalog['pruneOstreeObjects']> {
    return pruneObjectsAfter(this.#context.db, cutoff, after ?? 0, limit);
  }

  async reachable(digests: readonly Digest[], cutoff: GcCutoff): Promise<ReadonlySet<Digest>> {
    return reachedBy(LASTING_ROWS, this.#context.db, digests, cutoff);
  }

  async condemn(
    digests: readonly Digest[],
    cutoff: GcCutoff,
    untilMs: number,
  ): Promise<ReadonlySet<Digest>> {
    const { db, clock } = this.#context;
    return db.transaction().execute(async (tx) => {
      const named = await reachedBy(NAMING_ROWS, tx, digests, cutoff);
      const condemned = new Set<Digest>();
      const rows = digests
        .filter((digest) => !named.has(digest))
        .map((digest) => ({ digest, until_ms: untilMs, removed: CONDEMNED.beingRemoved }));
      for (const batch of batches(rows)) {
        const taken = await tx
          .insertInto('condemned')
          .values(batch)
          // A live condemnation of another collector stands, as does what it remembers to have removed:
          // whoever found the blob there before that may still come to name it. What is over is taken over.
          .onConflict((oc) =>
            oc
              .column('digest')
              .doUpdateSet({ until_ms: untilMs, removed: CONDEMNED.beingRemoved })
              .where((eb) =>
                eb.or([
                  eb('condemned.removed', '=', CONDEMNED.unlinked),
                  eb('condemned.until_ms', '<=', clock()),
                ]),
              ),
          )
          .returning('digest')
          .execute();
        for (const { digest } of taken) condemned.add(digest);
      }
      return condemned;
    });
  }

  async settle(
    removed: readonly Digest[],
    kept: readonly Digest[],
    untilMs: number,
    rememberUntilMs: number,
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      for (const batch of batches(removed)) {
        await tx
          .updateTable('condemned')
          .set({ removed: CONDEMNED.removed, until_ms: rememberUntilMs })
          .where('digest', 'in', batch)
          .where('removed', '=', CONDEMNED.beingRemoved)
          .where('until_ms', '=', untilMs)
          .execute();
      }
      for (const batch of batches(kept)) {
        // A repository may have lost its link moments ago, which the condemnation took the place of.
        await tx
          .updateTable('condemned')
          .set({ removed: CONDEMNED.unlinked, until_ms: rememberUntilMs })
          .where('digest', 'in', batch)
          .where('removed', '=', CONDEMNED.beingRemoved)
          .where('until_ms', '=', untilMs)
          .execute();
      }
      await tx.deleteFrom('condemned').where('until_ms', '<=', clock()).execute();
    });
  }

  async lastRunMs(): Promise<number | undefined> {
    return lastRunMs(this.#context);
  }

  async beginRun(
    owner: string,
    times: { readonly everyMs: number; readonly leaseMs: number },
  ): Promise<Lease | undefined> {
    return beginRun(this.#context, owner, times);
  }

  async renewRun(lease: Lease, leaseMs: number): Promise<void> {
    await renewRun(this.#context, lease, leaseMs);
  }

  async endRun(lease: Lease, done: boolean): Promise<void> {
    await endRun(this.#context, lease, done);
  }
}
