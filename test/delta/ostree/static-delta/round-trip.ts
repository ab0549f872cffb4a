import { tmpdir } from 'node:os';

import {
  buildStaticDelta,
  type BuildDeltaInput,
  type BuiltDelta,
} from '../../../../delta/ostree/static-delta/build/build-delta.ts';
import type { DeltaSink } from '../../../../delta/ostree/static-delta/build/delta-sink.ts';
import { applyStaticDelta } from '../../../../delta/ostree/static-delta/apply.ts';
import { parseSuperblock } from '../../../../delta/ostree/static-delta/parse-superblock.ts';
import { collect } from '../collect.ts';
import { MemorySink, type MemoryCommit, type MemoryRepo } from './memory-repo.ts';

/** A delta in memory. */
export interface MemoryDelta extends BuiltDelta {
  readonly parts: readonly Buffer[];
}

export async function build(
  repo: MemoryRepo,
  from: MemoryCommit | undefined,
  to: MemoryCommit,
  more: Partial<BuildDeltaInput> = {},
): Promise<MemoryDelta> {
  const parts: Buffer[] = [];
  const sink: DeltaSink = {
    part: async (number, file) => {
      parts[number] = Buffer.from(await collect(file.pieces()));
      if (parts[number].length !== file.size) throw new Error(`part ${number} lies about its size`);
    },
    superblock: () => Promise.resolve(),
  };
  const built = await buildStaticDelta({
    from: from?.checksum,
    to: to.checksum,
    commit: to.bytes,
    timestamp: 1_700_000_000n,
    oldObjects: from?.objects ?? [],
    newObjects: to.objects,
    source: repo,
    sink,
    scratch: tmpdir(),
    ...more,
  });
  return { ...built, parts };
}

/** Applies a delta to what the from-commit holds, and to nothing else. */
export async function apply(
  repo: MemoryRepo,
  from: MemoryCommit | undefined,
  { superblock, parts }: Pick<MemoryDelta, 'superblock' | 'parts'>,
): Promise<MemorySink> {
  const sink = new MemorySink();
  const base = new Set(from?.objects.map(({ checksum }) => checksum));
  await applyStaticDelta({
    superblock: parseSuperblock(superblock),
    readPart: (number) => [parts[number] ?? Buffer.alloc(0)],
    openBase: (checksum) => {
      if (!base.has(checksum)) throw new Error(`the base has no ${checksum}`);
      return repo.openContent({ checksum });
    },
    sink,
    scratch: tmpdir(),
  });
  return sink;
}

/** Objects of a commit that another one lacks, as a sink names them. */
export function newObjects(from: MemoryCommit | undefined, to: MemoryCommit): readonly string[] {
  const known = new Set(from?.objects.map(({ kind, checksum }) => `${kind} ${checksum}`));
  return to.objects
    .map(({ kind, checksum }) => `${kind} ${checksum}`)
    .filter((name) => !known.has(name));
}
