import { digestOf } from '../../../storage/digest.ts';
import { compressFrame } from '../../../storage/zstd.ts';

/** Tables are read by every client: as small as does not take long. */
const TABLE_LEVEL = 15;
const SKIPPABLE_MAGIC = 0x184d2a50;
/** Of a skippable frame: magic and length (RFC 8878, 3.1.2). */
const FRAME_HEADER_BYTES = 8;
/** A table of contents as CRFS has it. */
const MANIFEST_TYPE = 1;
const FOOTER_MAGIC = 'GNUlInUx';
/** Readers since containers/storage 1.44; before, they had another name for the same. */
const PREFIX = 'io.github.containers.zstd-chunked.';
const OLD_PREFIX = 'io.containers.zstd-chunked.';

/** The frames that make `start` bytes of zstd frames a zstd:chunked layer, and what its descriptor says of them. */
export async function closingFrames(
  entries: readonly string[],
  tarSplit: Buffer,
  start: number,
): Promise<{
  readonly frames: readonly Buffer[];
  readonly annotations: Readonly<Record<string, string>>;
}> {
  const split = await compressFrame(tarSplit, TABLE_LEVEL);
  const json = `{"version":1,"entries":[${entries.join(',')}],"tarSplitDigest":"${digestOf(split)}"}`;
  const rawTable = Buffer.from(json);
  const table = await compressFrame(rawTable, TABLE_LEVEL);
  const tableAt = start + FRAME_HEADER_BYTES;
  const splitAt = tableAt + table.length + FRAME_HEADER_BYTES;
  const checksum = digestOf(table);
  const position = `${tableAt}:${table.length}:${rawTable.length}:${MANIFEST_TYPE}`;
  const numbers = [
    ...[tableAt, table.length, rawTable.length, MANIFEST_TYPE],
    ...[splitAt, split.length, tarSplit.length],
  ];
  return {
    frames: [skippable(table), skippable(split), skippable(footer(numbers))],
    annotations: {
      [`${PREFIX}manifest-checksum`]: checksum,
      [`${PREFIX}manifest-position`]: position,
      [`${PREFIX}tarsplit-position`]: `${splitAt}:${split.length}:${tarSplit.length}`,
      [`${OLD_PREFIX}manifest-checksum`]: checksum,
      [`${OLD_PREFIX}manifest-position`]: position,
    },
  };
}

function skippable(bytes: Buffer): Buffer {
  const header = Buffer.alloc(FRAME_HEADER_BYTES);
  header.writeUInt32LE(SKIPPABLE_MAGIC, 0);
  header.writeUInt32LE(bytes.length, 4);
  return Buffer.concat([header, bytes]);
}

/** Seven numbers and the magic, eight bytes each. */
function footer(numbers: readonly number[]): Buffer {
  const bytes = Buffer.alloc(8 * numbers.length + FOOTER_MAGIC.length);
  for (const [index, value] of numbers.entries()) bytes.writeBigUInt64LE(BigInt(value), 8 * index);
  bytes.write(FOOTER_MAGIC, 8 * numbers.length, 'latin1');
  return bytes;
}
