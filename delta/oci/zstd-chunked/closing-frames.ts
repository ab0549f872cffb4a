import { digestOf } from '../../../storage/digest.ts';
import type { TextFrames } from './text-frames.ts';

const SKIPPABLE_MAGIC = 0x184d2a50;
/** Of a skippable frame: magic and length (RFC 8878, 3.1.2). */
const FRAME_HEADER_BYTES = 8;
/** A table of contents as CRFS has it. */
const MANIFEST_TYPE = 1;
const FOOTER_MAGIC = 'GNUlInUx';
/** Readers since containers/storage 1.44; before, they had another name for the same. */
const PREFIX = 'io.github.containers.zstd-chunked.';
const OLD_PREFIX = 'io.containers.zstd-chunked.';

/**
 * The frames that make `start` bytes of zstd frames a zstd:chunked layer, and what its descriptor says of
 * them. `entries` is the JSON of the table up to its last entry.
 */
export async function closingFrames(
  entries: TextFrames,
  tarSplit: TextFrames,
  start: number,
): Promise<{
  readonly frames: readonly Buffer[];
  readonly annotations: Readonly<Record<string, string>>;
}> {
  const split = await tarSplit.finish();
  entries.add(`],"tarSplitDigest":"${digestOf(split)}"}`);
  const table = await entries.finish();
  const tableAt = start + FRAME_HEADER_BYTES;
  const splitAt = tableAt + table.length + FRAME_HEADER_BYTES;
  const checksum = digestOf(table);
  const position = `${tableAt}:${table.length}:${entries.bytes}:${MANIFEST_TYPE}`;
  const numbers = [
    ...[tableAt, table.length, entries.bytes, MANIFEST_TYPE],
    ...[splitAt, split.length, tarSplit.bytes],
  ];
  return {
    frames: [skippable(table), skippable(split), skippable(footer(numbers))],
    annotations: {
      [`${PREFIX}manifest-checksum`]: checksum,
      [`${PREFIX}manifest-position`]: position,
      [`${PREFIX}tarsplit-position`]: `${splitAt}:${split.length}:${tarSplit.bytes}`,
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
