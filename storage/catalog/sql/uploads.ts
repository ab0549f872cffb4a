import { StorageError } from '../../errors.ts';
import type { UploadId } from '../../keys.ts';
import type { RepoName } from '../../names.ts';
import type { UploadCatalog, UploadPart, UploadSession } from '../upload-catalog.ts';
import type { SqlContext } from './context.ts';

/** Upload sessions and their parts. */
export class SqlUploads implements UploadCatalog {
  readonly #context: SqlContext;

  constructor(context: SqlContext) {
    this.#context = context;
  }

  async create(id: UploadId, repo: RepoName): Promise<void> {
    const { db, clock } = this.#context;
    await db.insertInto('uploads').values({ id, repo, size: 0, updated_ms: clock() }).execute();
  }

  async get(id: UploadId): Promise<UploadSession | undefined> {
    const rows = await this.#context.db
      .selectFrom('uploads as u')
      .leftJoin('upload_parts as p', 'p.upload_id', 'u.id')
      .select(['u.repo', 'u.size', 'u.updated_ms as updatedMs'])
      .select(['p.first_byte as offset', 'p.size as partSize', 'p.digest'])
      .where('u.id', '=', id)
      .orderBy('p.first_byte')
      .execute();
    const [session] = rows;
    if (session === undefined) return undefined;
    const parts = rows.flatMap(({ offset, partSize, digest }) =>
      offset === null || partSize === null || digest === null
        ? []
        : [{ offset, size: partSize, digest }],
    );
    const { repo, size, updatedMs } = session;
    return { id, repo, size, parts, updatedMs };
  }

  async append(id: UploadId, part: UploadPart): Promise<void> {
    const { db, clock } = this.#context;
    await db.transaction().execute(async (tx) => {
      const { numUpdatedRows } = await tx
        .updateTable('uploads')
        .set({ size: part.offset + part.size, updated_ms: clock() })
        .where('id', '=', id)
        .where('size', '=', part.offset)
        .executeTakeFirst();
      if (numUpdatedRows === 0n) throw notAppended(id, part);
      if (part.size === 0) return;
      await tx
        .insertInto('upload_parts')
        .values({
          upload_id: id,
          first_byte: part.offset,
          size: part.size,
          digest: part.digest,
        })
        .execute();
    });
  }

  async merge(id: UploadId, parts: readonly UploadPart[], into: UploadPart): Promise<void> {
    await this.#context.db.transaction().execute(async (tx) => {
      const removed = await tx
        .deleteFrom('upload_parts')
        .where('upload_id', '=', id)
        .where('first_byte', '>=', into.offset)
        .where('first_byte', '<', into.offset + into.size)
        .returning(['first_byte as offset', 'size', 'digest'])
        .execute();
      const before = new Set(removed.map(partKey));
      if (before.size !== parts.length || !parts.every((part) => before.has(partKey(part)))) {
        throw notMerged(id, into);
      }
      await tx
        .insertInto('upload_parts')
        .values({
          upload_id: id,
          first_byte: into.offset,
          size: into.size,
          digest: into.digest,
        })
        .execute();
    });
  }

  async delete(id: UploadId): Promise<void> {
    await this.#context.db.deleteFrom('uploads').where('id', '=', id).execute();
  }

  async endStale(beforeMs: number, limit: number): Promise<readonly UploadId[]> {
    const rows = await this.#context.db
      .deleteFrom('uploads')
      .where('updated_ms', '<', beforeMs)
      .where('id', 'in', (eb) =>
        eb
          .selectFrom('uploads as old')
          .select('old.id')
          .where('old.updated_ms', '<', beforeMs)
          .orderBy('old.updated_ms')
          .limit(limit),
      )
      .returning('id')
      .execute();
    return rows.map((row) => row.id);
  }
}

function notAppended(id: UploadId, part: UploadPart): StorageError {
  return new StorageError(
    'conflict',
    `upload ${id}: byte ${part.offset} is not its next byte, or the session is gone: ask for its status`,
    { detail: { id, offset: part.offset } },
  );
}

function partKey({ offset, size, digest }: UploadPart): string {
  return `${offset} ${size} ${digest}`;
}

function notMerged(id: UploadId, part: UploadPart): StorageError {
  return new StorageError(
    'conflict',
    `upload ${id}: its parts from byte ${part.offset} on are others by now, or it is gone`,
    { detail: { id, offset: part.offset } },
  );
}
