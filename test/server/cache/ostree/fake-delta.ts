import {
  deltaIndexPath,
  deltaPath,
  type DeltaName,
} from '../../../../delta/ostree/checksum-base64.ts';
import { formatDeltaIndex } from '../../../../delta/ostree/delta-index.ts';
import { checksumOf, type Checksum } from '../../../../delta/ostree/objects/checksum.ts';
import { formatCommit } from '../../../../delta/ostree/objects/commit.ts';
import { formatSuperblock } from '../../../../delta/ostree/static-delta/format-superblock.ts';
import { digestOf } from '../../../../storage/digest.ts';
import { noise } from '../tools.ts';
import type { FakeRepo } from './fake-repo.ts';

/** What the deltas lead to. */
export const COMMIT = formatCommit({
  metadata: [],
  parent: undefined,
  related: [],
  subject: 'one',
  body: '',
  timestamp: 1n,
  tree: checksumOf(noise(1)),
  meta: checksumOf(noise(2)),
});
export const TO = checksumOf(COMMIT);
/** What they begin with. */
export const [A, B] = [checksumOf(noise(10)), checksumOf(noise(11))];

/** Puts a delta of one part (and a fallback) into the repository. */
export function addDelta(
  repo: FakeRepo,
  from: Checksum | undefined,
  { signed = '', fallback }: { signed?: string; fallback?: Checksum } = {},
): DeltaName {
  const delta = { from, to: TO };
  const part = noise(70_000, from === undefined ? 3 : 4);
  const superblock = formatSuperblock({
    ...delta,
    timestamp: 1n,
    commit: COMMIT,
    commitmeta: [['signed', { type: 's', value: signed }]],
    parts: [
      {
        checksum: checksumOf(part),
        size: part.length,
        contentBytes: 0,
        objects: [{ kind: 'dirmeta', checksum: checksumOf(noise(2)) }],
      },
    ],
    fallbacks:
      fallback === undefined
        ? []
        : [{ kind: 'file', checksum: fallback, compressedBytes: 10, contentBytes: 10 }],
  });
  repo.files.set(deltaPath({ delta, file: 'superblock' }), superblock);
  repo.files.set(deltaPath({ delta, file: 0 }), part);
  return delta;
}

/** Publishes the index of these deltas. */
export function publishIndex(repo: FakeRepo, deltas: readonly DeltaName[]): void {
  const listed = deltas.map((delta) => ({
    delta,
    superblock: digestOf(repo.files.get(deltaPath({ delta, file: 'superblock' })) ?? noise(1)),
  }));
  repo.files.set(deltaIndexPath(TO), formatDeltaIndex(listed));
}
