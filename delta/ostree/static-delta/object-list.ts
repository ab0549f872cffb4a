import { DeltaError } from '../../errors.ts';
import { CHECKSUM_BYTES, checksumBytes, checksumFromBytes } from '../objects/checksum.ts';
import type { Checksum } from '../objects/checksum.ts';
import type { ObjectKind } from '../objects/object-name.ts';

/** What a part can make: the commit itself travels in the superblock. */
export type PartObjectKind = Exclude<ObjectKind, 'commit'>;

export interface PartObject {
  readonly kind: PartObjectKind;
  readonly checksum: Checksum;
}

/** `OstreeObjectType`. */
const KIND_BYTES = { file: 1, dirtree: 2, dirmeta: 3 } as const satisfies Record<
  PartObjectKind,
  number
>;
const KINDS = new Map<number, PartObjectKind>([
  [KIND_BYTES.file, 'file'],
  [KIND_BYTES.dirtree, 'dirtree'],
  [KIND_BYTES.dirmeta, 'dirmeta'],
]);

/** A type byte and a checksum. */
export const OBJECT_ENTRY_BYTES = 1 + CHECKSUM_BYTES;

/** The number that stands for a kind. */
export function kindByte(kind: PartObjectKind): number {
  return KIND_BYTES[kind];
}

/** The kind that a number stands for; `bad_format` for a commit's and all others. */
export function kindOf(byte: number, what: string): PartObjectKind {
  const kind = KINDS.get(byte);
  if (kind === undefined) {
    throw new DeltaError('bad_format', `${what} lists an object of type ${byte}`);
  }
  return kind;
}

/** A part's objects in the order in which it makes them, 33 bytes each. */
export function formatObjectList(objects: readonly PartObject[]): Buffer {
  const bytes = Buffer.allocUnsafe(objects.length * OBJECT_ENTRY_BYTES);
  objects.forEach(({ kind, checksum }, position) => {
    const at = position * OBJECT_ENTRY_BYTES;
    bytes[at] = kindByte(kind);
    bytes.set(checksumBytes(checksum), at + 1);
  });
  return bytes;
}

/** Reads what {@link formatObjectList} makes; `bad_format`, naming `what`, for anything else. */
export function parseObjectList(bytes: Uint8Array, what: string): readonly PartObject[] {
  if (bytes.length % OBJECT_ENTRY_BYTES !== 0) {
    throw new DeltaError(
      'bad_format',
      `${what} has an object list of ${bytes.length} bytes, no whole number of ${OBJECT_ENTRY_BYTES}`,
    );
  }
  return Array.from({ length: bytes.length / OBJECT_ENTRY_BYTES }, (_, position) => {
    const at = position * OBJECT_ENTRY_BYTES;
    const checksum = bytes.subarray(at + 1, at + OBJECT_ENTRY_BYTES);
    return {
      kind: kindOf(bytes[at] ?? 0, what),
      checksum: checksumFromBytes(checksum, `an object of ${what}`),
    };
  });
}
