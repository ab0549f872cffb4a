import type { Random } from '../../fuzz/random.ts';
import type { FileChange } from './tree.ts';

/** A file's bytes after changes, in order. What lies beyond the end and was not written is zero. */
export function applyChanges(bytes: Buffer, changes: readonly FileChange[]): Buffer {
  if (changes.length === 0) return bytes;
  const ends = changes.map((change) =>
    change.kind === 'write' ? change.at + change.bytes.length : change.size,
  );
  const room = Buffer.alloc(Math.max(bytes.length, ...ends));
  bytes.copy(room);
  let size = bytes.length;
  for (const change of changes) {
    if (change.kind === 'write') {
      change.bytes.copy(room, change.at);
      size = Math.max(size, change.at + change.bytes.length);
    } else {
      if (change.size < size) room.fill(0, change.size, size);
      size = change.size;
    }
  }
  return room.subarray(0, size);
}

/** Which changes a power cut leaves: each with `keep` in 100, writes that go may leave their head. */
export function remainingChanges(
  changes: readonly FileChange[],
  keep: number,
  random: Random,
): readonly FileChange[] {
  return changes.flatMap((change): FileChange[] => {
    if (random.below(100) < keep) return [change];
    if (change.kind === 'truncate' || keep === 0 || random.below(2) === 0) return [];
    return [{ ...change, bytes: change.bytes.subarray(0, random.below(change.bytes.length)) }];
  });
}
