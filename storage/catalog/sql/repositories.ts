import type { Selectable, Transaction } from 'kysely';

import type { Digest } from '../../digest.ts';
import type { RepoName, Tag } from '../../names.ts';
import type {
  ManifestChild,
  ManifestRow,
  Page,
  RepositoryCatalog,
  StoredFacts,
} from '../repository-catalog.ts';
import type { Schema } from '../schema.ts';
import { nameStored, nameChildren } from './condemned.ts';
import { batches, type SqlContext } from './context.ts';
import { parseAnnotations } from './json.ts';
import { ensureAwaited, incompleteImages } from './sparse.ts';
import { moveTag, SqlTags, touchManifests } from './tags.ts';

/** Repositories, their blobs and manifests; tags and releases come from {@link SqlTags}. */
export class SqlRepositories extends SqlTags implements RepositoryCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    super(context);
    this.#context = context;
  }

  async list(page: Page): Promise<readonly RepoName[]> {
    let query = this.#context.db
      .selectFrom('repositories as r')
      .select('r.name')
      .where((eb) =>
        eb.or([
          eb.exists(
            eb.selectFrom('repo_blobs as b').select('b.digest').whereRef('b.repo', '=', 'r.name'),
          ),
          eb.exists(
            eb.selectFrom('manifests as m').select('m.digest').whereRef('m.repo', '=', 'r.name'),
          ),
        ]),
      )
      .orderBy('r.name')
      .limit(page.limit);
    if (page.last !== undefined) query = query.where('r.name', '>', page.last as RepoName);
    return (await query.execute()).map((row) => row.name);
  }

  async exists(repo: RepoName): Promise<boolean> {
    const row = await this.#context.db
      .selectFrom('repositories')
      .select('name')
      .where('name', '=', repo)
      .executeTakeFirst();
    return row !== undefined;
  }

  async linkBlob(
    repo: RepoName,
    digest: Digest,
    size: number,
    facts: StoredFacts = {},
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const nowMs = clock();
      await nameStored(tx, [{ digest, created: facts.created }], nowMs);
      await ensureRepository(tx, repo, nowMs);
      await tx
        .insertInto('repo_blobs')
        .values({ repo, digest, size, linked_ms: nowMs })
        .onConflict((oc) => oc.columns(['repo', 'digest']).doUpdateSet({ size, linked_ms: nowMs }))
        .execute();
      await ensureAwaited(tx, repo, { digest }, nowMs);
    });
  }

  async hasBlob(repo: RepoName, digest: Digest): Promise<boolean> {
    return (await this.blobSize(repo, digest)) !== undefined;
  }

  async blobSize(repo: RepoName, digest: Digest): Promise<number | undefined> {
    const row = await this.#context.db
      .selectFrom('repo_blobs')
      .select('size')
      .where('repo', '=', repo)
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row?.size;
  }

  async findBlob(digest: Digest): Promise<RepoName | undefined> {
    const row = await this.#context.db
      .selectFrom('repo_blobs')
      .select('repo')
      .where('digest', '=', digest)
      .orderBy('repo')
      .limit(1)
      .executeTakeFirst();
    return row?.repo;
  }

  async unlinkBlob(repo: RepoName, digest: Digest): Promise<boolean> {
    const { numDeletedRows } = await this.#context.db
      .deleteFrom('repo_blobs')
      .where('repo', '=', repo)
      .where('digest', '=', digest)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  async putManifest(
    repo: RepoName,
    manifest: ManifestRow,
    children: readonly ManifestChild[],
    tag?: Tag,
    facts: StoredFacts = {},
  ): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const nowMs = clock();
      await nameStored(tx, [{ digest: manifest.digest, created: facts.created }], nowMs);
      await nameChildren(
        tx,
        repo,
        children.map((child) => child.digest),
        nowMs,
      );
      await ensureRepository(tx, repo, nowMs);
      await upsertManifest(tx, repo, manifest, nowMs);
      await touchManifests(tx, repo, namedManifests(manifest, children), nowMs);
      await replaceChildren(tx, repo, manifest.digest, children);
      await ensureAwaited(tx, repo, { parent: manifest.digest }, nowMs);
      if (tag !== undefined) await moveTag(tx, { repo, tag, digest: manifest.digest }, nowMs);
    });
  }

  async getManifest(repo: RepoName, digest: Digest): Promise<ManifestRow | undefined> {
    const row = await this.#context.db
      .selectFrom('manifests')
      .selectAll()
      .where('repo', '=', repo)
      .where('digest', '=', digest)
      .executeTakeFirst();
    return row && toManifest(row);
  }

  async children(repo: RepoName, digest: Digest): Promise<readonly ManifestChild[]> {
    const rows = await this.#context.db
      .selectFrom('manifest_children')
      .select(['digest', 'kind', 'tar_type'])
      .where('repo', '=', repo)
      .where('parent', '=', digest)
      .orderBy('position')
      .execute();
    return rows.map(({ tar_type, ...child }) => ({
      ...child,
      ...(tar_type !== null && { tarType: tar_type }),
    }));
  }

  async incomplete(repo: RepoName, images: readonly Digest[]): Promise<ReadonlySet<Digest>> {
    return incompleteImages(this.#context.db, repo, images);
  }

  async deleteManifest(repo: RepoName, digest: Digest): Promise<boolean> {
    const { numDeletedRows } = await this.#context.db
      .deleteFrom('manifests')
      .where('repo', '=', repo)
      .where('digest', '=', digest)
      .executeTakeFirst();
    return numDeletedRows > 0n;
  }

  async referrers(
    repo: RepoName,
    digest: Digest,
    artifactType?: string,
  ): Promise<readonly ManifestRow[]> {
    let query = this.#context.db
      .selectFrom('manifests')
      .selectAll()
      .where('repo', '=', repo)
      .where('subject', '=', digest)
      .orderBy('id');
    if (artifactType !== undefined) query = query.where('artifact_type', '=', artifactType);
    return (await query.execute()).map(toManifest);
  }
}

async function ensureRepository(
  tx: Transaction<Schema>,
  repo: RepoName,
  nowMs: number,
): Promise<void> {
  await tx
    .insertInto('repositories')
    .values({ name: repo, created_ms: nowMs })
    .onConflict((oc) => oc.column('name').doNothing())
    .execute();
}

/** What a manifest's bytes say, as columns. */
export function manifestColumns(manifest: ManifestRow) {
  return {
    media_type: manifest.mediaType,
    size: manifest.size,
    subject: manifest.subject ?? null,
    artifact_type: manifest.artifactType ?? null,
    annotations: manifest.annotations ? JSON.stringify(manifest.annotations) : null,
  };
}

async function upsertManifest(
  tx: Transaction<Schema>,
  repo: RepoName,
  manifest: ManifestRow,
  nowMs: number,
): Promise<void> {
  const facts = { ...manifestColumns(manifest), touched_ms: nowMs };
  await tx
    .insertInto('manifests')
    .values({ repo, digest: manifest.digest, ...facts })
    .onConflict((oc) => oc.columns(['repo', 'digest']).doUpdateSet(facts))
    .execute();
}

/** Manifests that a push relies on: retention must not take them meanwhile. */
function namedManifests(
  { subject }: ManifestRow,
  children: readonly ManifestChild[],
): readonly Digest[] {
  const images = children.filter(({ kind }) => kind === 'manifest').map(({ digest }) => digest);
  return subject === undefined ? images : [...images, subject];
}

export async function replaceChildren(
  tx: Transaction<Schema>,
  repo: RepoName,
  parent: Digest,
  children: readonly ManifestChild[],
): Promise<void> {
  await tx
    .deleteFrom('manifest_children')
    .where('repo', '=', repo)
    .where('parent', '=', parent)
    .execute();
  const rows = children.map(({ digest, kind, tarType }, position) => ({
    repo,
    parent,
    position,
    digest,
    kind,
    tar_type: tarType ?? null,
  }));
  for (const batch of batches(rows)) {
    await tx.insertInto('manifest_children').values(batch).execute();
  }
}

export function toManifest(row: Selectable<Schema['manifests']>): ManifestRow {
  return {
    digest: row.digest,
    mediaType: row.media_type,
    size: row.size,
    ...(row.subject !== null && { subject: row.subject }),
    ...(row.artifact_type !== null && { artifactType: row.artifact_type }),
    ...(row.annotations !== null && { annotations: parseAnnotations(row.annotations) }),
  };
}
