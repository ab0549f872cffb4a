import { StorageError } from '../errors.ts';

const BLOCK_BYTES = 512;
/** POSIX.1-2017 pax, "ustar Interchange Format": the checksum field, eight bytes at 148. */
const CHECKSUM_AT = 148;
const CHECKSUM_BYTES = 8;

/**
 * Passes a stream on and throws `corrupt` when its first block is not a tar header: a checksum that
 * does not hold, or fewer than 512 bytes. No bytes at all are an empty layer, and a block of zeros is
 * the end of an empty tar.
 */
export async function* checkTar(source: AsyncIterable<Buffer>): AsyncIterable<Buffer> {
  const block = Buffer.alloc(BLOCK_BYTES);
  let filled = 0;
  for await (const part of source) {
    if (filled < BLOCK_BYTES) {
      filled += part.copy(block, filled);
      if (filled === BLOCK_BYTES && !isTarBlock(block)) throw notTar('the checksum is wrong');
    }
    yield part;
  }
  if (filled > 0 && filled < BLOCK_BYTES) throw notTar(`it holds ${filled} bytes`);
}

/** True for a header whose checksum holds, and for the end marker's zeros. */
function isTarBlock(block: Buffer): boolean {
  let unsigned = 0;
  let signed = 0;
  for (const [at, byte] of block.entries()) {
    const inField = at >= CHECKSUM_AT && at < CHECKSUM_AT + CHECKSUM_BYTES;
    const value = inField ? 0x20 : byte;
    unsigned += value;
    // Some old writers summed signed characters.
    signed += value < 128 ? value : value - 256;
  }
  const field = block.toString('latin1', CHECKSUM_AT, CHECKSUM_AT + CHECKSUM_BYTES);
  const digits = /^[ \0]*([0-7]+)[ \0]*$/.exec(field)?.[1];
  if (digits === undefined) return block.every((byte) => byte === 0);
  const stated = Number.parseInt(digits, 8);
  return stated === unsigned || stated === signed;
}

function notTar(why: string): StorageError {
  return new StorageError('corrupt', `not a tar: ${why} in its first header`);
}
