import { mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';

import { deltaIndexPath, deltaPath } from '../../../../delta/ostree/checksum-base64.ts';
import { formatDeltaIndex } from '../../../../delta/ostree/delta-index.ts';
import type { Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { parseCommit } from '../../../../delta/ostree/objects/commit.ts';
import { parseRefName } from '../../../../delta/ostree/ref-name.ts';
import {
  buildStaticDelta,
  type BuildDeltaOptions,
  type BuiltDelta,
} from '../../../../delta/ostree/static-delta/build/build-delta.ts';
import type { DeltaObject } from '../../../../delta/ostree/static-delta/build/delta-objects.ts';
import { formatSummaryFacts } from '../../../../delta/ostree/summary-facts.ts';
import { refMetadata } from '../../../../delta/ostree/summary-refs.ts';
import { formatSummary } from '../../../../delta/ostree/summary.ts';
import { digestOf } from '../../../../storage/digest.ts';
import { collect } from '../collect.ts';
import type { ArchiveRepo } from './archive-repo.ts';

/** A delta to be put into a repository's folder. */
export interface Publication {
  readonly repo: ArchiveRepo;
  readonly ref: string;
  readonly from: Checksum | undefined;
  readonly to: Checksum;
  readonly options?: BuildDeltaOptions;
}

/** Builds a delta of ours and puts it into the repository: parts, superblock, index, summary. */
export async function publish({ repo, ref, from, to, options }: Publication): Promise<BuiltDelta> {
  const delta = { from, to };
  const write = (path: string, bytes: Buffer): void => {
    const file = join(repo.folder, path);
    mkdirSync(dirname(file), { recursive: true });
    writeFileSync(file, bytes);
  };
  const commit = await repo.metadata('commit', to);
  const built = await buildStaticDelta({
    ...delta,
    commit,
    timestamp: 1_700_000_000n,
    oldObjects: from === undefined ? [] : await objectsOf(repo, from),
    newObjects: await objectsOf(repo, to),
    source: {
      readMetadata: ({ kind, checksum }) => repo.metadata(kind, checksum),
      openContent: ({ checksum }) => repo.file(checksum),
    },
    sink: {
      part: async (number, file) => {
        write(deltaPath({ delta, file: number }), await collect(file.pieces()));
      },
      superblock: (bytes) => {
        write(deltaPath({ delta, file: 'superblock' }), bytes);
        return Promise.resolve();
      },
    },
    scratch: tmpdir(),
    options,
  });
  const listed = { delta, superblock: digestOf(built.superblock) };
  write(deltaIndexPath(to), formatDeltaIndex([listed]));
  const facts = {
    lastModified: 1_700_000_000n,
    expires: undefined,
    collectionId: undefined,
    collectionMap: new Map(),
    staticDeltas: [],
  };
  const metadata = refMetadata(parseCommit(commit));
  const refs = [{ ref: parseRefName(ref), commit: to, commitBytes: commit.length, metadata }];
  write('summary', formatSummary({ refs, metadata: formatSummaryFacts(facts) }));
  return built;
}

/** What a builder is told of a commit. */
export async function objectsOf(
  repo: ArchiveRepo,
  commit: Checksum,
): Promise<readonly DeltaObject[]> {
  const paths = await repo.paths(commit);
  const objects: DeltaObject[] = [];
  for (const { kind, checksum } of await repo.closure(commit)) {
    if (kind === 'commit') continue;
    if (kind !== 'file') {
      objects.push({ kind, checksum, paths: [] });
      continue;
    }
    const { content } = await repo.file(checksum);
    objects.push({ kind, checksum, paths: paths.get(checksum) ?? [], size: content.size });
  }
  return objects;
}

/** Bytes of all files of a delta in the repository's folder. */
export function deltaBytes(repo: ArchiveRepo, from: Checksum | undefined, to: Checksum): number {
  let total = 0;
  for (let file: 'superblock' | number = 'superblock'; ;) {
    try {
      total += readFileSync(join(repo.folder, deltaPath({ delta: { from, to }, file }))).length;
    } catch {
      return total;
    }
    file = file === 'superblock' ? 0 : file + 1;
  }
}
