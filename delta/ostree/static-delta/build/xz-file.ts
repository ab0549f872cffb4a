import { crc32 } from 'node:zlib';

/** The .xz file format 1.0.4, with one block of LZMA2 and CRC32s. */
const MAGIC = Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]);
const FOOTER_MAGIC = Buffer.from('YZ');
const CHECK_CRC32 = 1;
const FLAGS = Buffer.from([0x00, CHECK_CRC32]);
const FILTER_LZMA2 = 0x21;
const CHECK_BYTES = 4;
const BLOCK_HEADER_BYTES = 12;

/** What stands before the block's bytes; `dictionary` is a power of two from 4 KiB on (5.3.1). */
export function xzHead(dictionary: number): Buffer {
  const size = (Math.log2(dictionary) - 12) * 2;
  const header = Buffer.alloc(BLOCK_HEADER_BYTES - CHECK_BYTES);
  header.set([BLOCK_HEADER_BYTES / 4 - 1, 0, FILTER_LZMA2, 1, size]);
  return Buffer.concat([MAGIC, FLAGS, checkOf(FLAGS), header, checkOf(header)]);
}

/** What stands after the block's `coded` bytes, which are `bytes` bytes with the CRC32 `check`. */
export function xzTail(coded: number, bytes: number, check: number): Buffer {
  const blockCheck = Buffer.alloc(CHECK_BYTES);
  blockCheck.writeUInt32LE(check);
  const unpadded = BLOCK_HEADER_BYTES + coded + CHECK_BYTES;
  const records = Buffer.concat([Buffer.from([0, 1]), varint(unpadded), varint(bytes)]);
  const index = Buffer.concat([records, padding(records.length)]);
  const footer = Buffer.alloc(4);
  footer.writeUInt32LE((index.length + CHECK_BYTES) / 4 - 1);
  const end = Buffer.concat([footer, FLAGS]);
  return Buffer.concat([
    padding(coded),
    blockCheck,
    index,
    checkOf(index),
    checkOf(end),
    end,
    FOOTER_MAGIC,
  ]);
}

function checkOf(bytes: Buffer): Buffer {
  const check = Buffer.alloc(CHECK_BYTES);
  check.writeUInt32LE(crc32(bytes));
  return check;
}

/** Zeros up to a multiple of 4. */
function padding(length: number): Buffer {
  return Buffer.alloc(-length & 3);
}

function varint(value: number): Buffer {
  const bytes: number[] = [];
  let rest = value;
  for (; rest >= 0x80; rest = Math.floor(rest / 0x80)) bytes.push((rest % 0x80) | 0x80);
  return Buffer.from([...bytes, rest]);
}
