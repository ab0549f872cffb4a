import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { onTestFinished } from 'vitest';

import type {
  OstreeDeltaClaim,
  OstreeWorkDeps,
} from '../../../../delta/ostree/matrix/delta-job.ts';
import { formatStreamHeader } from '../../../../delta/ostree/objects/file-header.ts';
import { metadataObject } from '../../../../delta/ostree/objects/stored-object.ts';
import { BlobStore } from '../../../../storage/blob-store.ts';
import type { Catalog } from '../../../../storage/catalog/catalog.ts';
import type { OstreeDeltaPair } from '../../../../storage/catalog/ostree-delta-catalog.ts';
import { openSqliteCatalog } from '../../../../storage/catalog/sqlite.ts';
import { openFsStore } from '../../../../storage/drivers/fs.ts';
import { parseOstreeChecksum } from '../../../../storage/ostree/checksum.ts';
import type { IncomingObject } from '../../../../storage/ostree/object-batch.ts';
import { writeObjects } from '../../../../storage/ostree/object-writer.ts';
import { REPO } from '../../../suites/catalog/names.ts';
import { MAIN } from '../../../suites/catalog/ostree-names.ts';
import { MemoryRepo, type MemoryCommit, type Tree } from '../static-delta/memory-repo.ts';

export const LEASE_MS = 60_000;

/** A store on disk into which commits are pushed, and what a builder of static deltas needs. */
export class StoredWorld {
  readonly repo = new MemoryRepo();
  readonly deps: OstreeWorkDeps & { readonly catalog: Catalog };
  readonly #folder: string;
  readonly #time: { nowMs: number };

  private constructor(deps: StoredWorld['deps'], folder: string, time: { nowMs: number }) {
    this.deps = deps;
    this.#folder = folder;
    this.#time = time;
  }

  static async open(): Promise<StoredWorld> {
    const folder = await mkdtemp(join(tmpdir(), 'rivulet-static-'));
    const time = { nowMs: 1_700_000_000_000 };
    const clock = (): number => time.nowMs;
    const catalog = await openSqliteCatalog(':memory:', clock);
    onTestFinished(async () => {
      await catalog.close();
      await rm(folder, { recursive: true, force: true });
    });
    const blobs = new BlobStore(await openFsStore(join(folder, 'store')));
    const scratch = join(folder, 'scratch');
    const deps = { blobs, catalog, scratch, clock, leaseMs: LEASE_MS, maxAttempts: 3 };
    return new StoredWorld(deps, folder, time);
  }

  pass(ms: number): void {
    this.#time.nowMs += ms;
  }

  /** Stores a commit of the tree and moves the ref to it. */
  async push(tree: Tree): Promise<MemoryCommit> {
    const commit = this.repo.commit(tree);
    await this.store(commit);
    const checksum = parseOstreeChecksum(commit.checksum);
    await this.deps.catalog.ostree.moveRef(REPO, MAIN, checksum, 'any');
    return commit;
  }

  async store(commit: MemoryCommit): Promise<void> {
    const { blobs, catalog } = this.deps;
    const options = { blobs, catalog, repo: REPO, scratch: this.#folder };
    await writeObjects(incomingCommit(this.repo, commit), options);
  }

  async claim(from: MemoryCommit | undefined, to: MemoryCommit): Promise<OstreeDeltaClaim> {
    await this.deps.catalog.ostreeDeltas.ensure([pairOf(from, to)], 0);
    const claim = await this.deps.catalog.ostreeDeltas.claim('test', LEASE_MS);
    if (claim === undefined) throw new Error('nothing to claim');
    return claim;
  }

  /** Flips a byte in the middle of every pack. */
  async damagePacks(): Promise<void> {
    for (const path of await this.#packs()) {
      const bytes = await readFile(path);
      const at = bytes.length >> 1;
      bytes.writeUInt8((bytes[at] ?? 0) ^ 0xff, at);
      await writeFile(path, bytes);
    }
  }

  /** What builders left behind. */
  async scratchLeft(): Promise<readonly string[]> {
    return readdir(this.deps.scratch);
  }

  async #packs(): Promise<readonly string[]> {
    const packs = await this.deps.catalog.audit.expected('pack', undefined, 1000);
    return packs.map(({ digest }) => this.deps.blobs.filePath(digest) ?? '');
  }
}

/** The commit and all that it holds, as a push brings it. */
export async function* incomingCommit(
  repo: MemoryRepo,
  { checksum, bytes, objects }: MemoryCommit,
): AsyncGenerator<IncomingObject> {
  yield metadataObject('commit', checksum, bytes);
  for (const object of objects) {
    if (object.kind !== 'file') {
      const metadata = await repo.readMetadata(object);
      yield metadataObject(object.kind, object.checksum, metadata);
      continue;
    }
    const { header, content } = await repo.openContent(object);
    yield {
      name: object,
      header: formatStreamHeader(header),
      size: content.size,
      content: content.size === 0 ? noBytes() : oneRead(content),
      children: [],
    };
  }
}

export function pairOf(from: MemoryCommit | undefined, to: MemoryCommit): OstreeDeltaPair {
  return {
    repo: REPO,
    ref: MAIN,
    from: from && parseOstreeChecksum(from.checksum),
    to: parseOstreeChecksum(to.checksum),
  };
}

async function* oneRead(content: {
  readonly size: number;
  read(offset: number, length: number): Promise<Buffer>;
}): AsyncGenerator<Uint8Array> {
  yield content.read(0, content.size);
}

async function* noBytes(): AsyncGenerator<Uint8Array> {
  await Promise.resolve();
  yield* [];
}
