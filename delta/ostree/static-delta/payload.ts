import type { RandomAccess } from '../../../storage/random-access.ts';
import { SliceAccess } from '../../../storage/random-access.ts';
import { DeltaError } from '../../errors.ts';
import { decodeVariant } from '../gvariant/decode.ts';
import { encodeVariant } from '../gvariant/encode.ts';
import { leastWidth, offsetWidth } from '../gvariant/framing.ts';
import { swap32 } from '../gvariant/swap.ts';
import {
  xattrsFromTuples,
  xattrsToTuples,
  type Xattr,
  type XattrTuples,
} from '../objects/xattrs.ts';
import { STATIC_DELTA_LIMITS } from './limits.ts';

/** Owner and mode of a file, as a part's table holds them. */
export interface FileMode {
  readonly uid: number;
  readonly gid: number;
  /** With the file type. */
  readonly mode: number;
}

/**
 * A part unpacked: `OSTREE_STATIC_DELTA_PART_PAYLOAD_FORMAT_V0`, `(a(uuu)aa(ayay)ayay)`. The blob can be
 * large, so it is not taken into memory: the outer tuple is read and written here, member by member.
 */
export interface PartPayload {
  readonly modes: readonly FileMode[];
  readonly xattrs: readonly (readonly Xattr[])[];
  readonly blob: RandomAccess;
  readonly operations: Buffer;
}

/** What a payload is written from: as {@link PartPayload}, the blob's bytes left to the caller. */
export interface PayloadTables {
  readonly modes: readonly FileMode[];
  readonly xattrs: readonly (readonly Xattr[])[];
  readonly blobBytes: number;
  readonly operations: Uint8Array;
}

const MODES_TYPE = 'a(uuu)';
const XATTRS_TYPE = 'aa(ayay)';
/** All members but the last have an end offset, since all are of variable size. */
const OFFSETS = 3;

/** The bytes of a payload that stand before its blob, and those that stand after it. */
export function formatPayload(tables: PayloadTables): {
  readonly head: Buffer;
  readonly tail: Buffer;
} {
  const modes = encodeVariant(
    MODES_TYPE,
    tables.modes.map(({ uid, gid, mode }) => [swap32(uid), swap32(gid), swap32(mode)]),
  );
  const xattrs = encodeVariant(
    XATTRS_TYPE,
    tables.xattrs.map((set) => xattrsToTuples(set, 'a file of a delta')),
  );
  // No member but the first has an alignment, so nothing is padded.
  const modesEnd = modes.length;
  const xattrsEnd = modesEnd + xattrs.length;
  const blobEnd = xattrsEnd + tables.blobBytes;
  const width = leastWidth(blobEnd + tables.operations.length, OFFSETS);
  const offsets = Buffer.alloc(OFFSETS * width);
  [blobEnd, xattrsEnd, modesEnd].forEach((end, position) => {
    offsets.writeUIntLE(end, position * width, width);
  });
  return {
    head: Buffer.concat([modes, xattrs]),
    tail: Buffer.concat([tables.operations, offsets]),
  };
}

/**
 * Reads a payload. Throws `bad_format`, naming `what`, when it is not in normal form, `too_large` for
 * tables past {@link STATIC_DELTA_LIMITS}. The blob is a view of `payload`.
 */
export async function parsePayload(payload: RandomAccess, what: string): Promise<PartPayload> {
  const { size } = payload;
  const width = offsetWidth(size);
  const bodyBytes = size - OFFSETS * width;
  if (bodyBytes < 0) throw broken(what, `of ${size} bytes is too short`);
  if (leastWidth(bodyBytes, OFFSETS) !== width) throw broken(what, 'has offsets wider than needed');
  const table = await payload.read(bodyBytes, OFFSETS * width);
  const offset = (position: number): number => table.readUIntLE(position * width, width);
  const [blobEnd, xattrsEnd, modesEnd] = [offset(0), offset(1), offset(2)];
  if (modesEnd > xattrsEnd || xattrsEnd > blobEnd || blobEnd > bodyBytes) {
    throw broken(what, `has offsets out of order: ${modesEnd}, ${xattrsEnd}, ${blobEnd}`);
  }
  const operationBytes = bodyBytes - blobEnd;
  checkSize(what, 'modes', modesEnd, STATIC_DELTA_LIMITS.modeBytes);
  checkSize(what, 'xattrs', xattrsEnd - modesEnd, STATIC_DELTA_LIMITS.xattrBytes);
  checkSize(what, 'operations', operationBytes, STATIC_DELTA_LIMITS.operationBytes);
  return {
    modes: parseModes(await payload.read(0, modesEnd)),
    xattrs: parseXattrs(await payload.read(modesEnd, xattrsEnd - modesEnd), what),
    blob: new SliceAccess(payload, xattrsEnd, blobEnd - xattrsEnd),
    operations: await payload.read(blobEnd, operationBytes),
  };
}

function parseModes(bytes: Buffer): readonly FileMode[] {
  const tuples = decodeVariant(MODES_TYPE, bytes) as readonly (readonly [number, number, number])[];
  return tuples.map(([uid, gid, mode]) => ({
    uid: swap32(uid),
    gid: swap32(gid),
    mode: swap32(mode),
  }));
}

function parseXattrs(bytes: Buffer, what: string): readonly (readonly Xattr[])[] {
  const sets = decodeVariant(XATTRS_TYPE, bytes) as readonly XattrTuples[];
  return sets.map((set) => xattrsFromTuples(set, `a file of ${what}`));
}

function checkSize(what: string, table: string, bytes: number, limit: number): void {
  if (bytes <= limit) return;
  throw new DeltaError(
    'too_large',
    `${what} has ${bytes} bytes of ${table}, the limit is ${limit}`,
  );
}

function broken(what: string, problem: string): DeltaError {
  return new DeltaError('bad_format', `the payload of ${what} ${problem}`);
}
