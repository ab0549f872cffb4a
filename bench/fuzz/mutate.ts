import type { Random } from './random.ts';

const EDGES = [
  0, 1, 2, 3, 0x7f, 0x80, 0xff, 0x7fff, 0xffff, 0x10000, 0x7fffffff, 0x80000000, 0xffffffff,
];
/** Numbers of 7 bits a byte that are as long as can be, or too long. */
const VARINT = Buffer.from([0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x0f]);
const MOST_CHANGES = 4;

/** A copy with one to four changes: of bits, bytes, numbers, ranges or its length. */
export function mutate(bytes: Buffer, random: Random): Buffer {
  let made: Buffer = Buffer.from(bytes);
  for (let left = 1 + random.below(MOST_CHANGES); left > 0; left -= 1) made = changed(made, random);
  return made;
}

/** Some bytes as `mutate` does, the others as they are: `length` stays. */
export function overwrite(bytes: Buffer, random: Random): Buffer {
  const made = Buffer.from(bytes);
  for (let left = 1 + random.below(MOST_CHANGES * 2); left > 0; left -= 1) setNumber(made, random);
  return made;
}

/** As `overwrite`, in one of the areas that begin at `starts`: short tables are met as often as long ones. */
export function overwriteArea(bytes: Buffer, starts: readonly number[], random: Random): Buffer {
  const made = Buffer.from(bytes);
  const area = random.below(starts.length);
  const within = made.subarray(starts[area], starts[area + 1]);
  const part = within.subarray(0, random.pick([64, 256, within.length]));
  for (let left = 1 + random.below(MOST_CHANGES * 2); left > 0; left -= 1) setNumber(part, random);
  return made;
}

function changed(bytes: Buffer, random: Random): Buffer {
  const at = random.below(bytes.length);
  const length = random.below(random.pick([2, 16, 256, bytes.length]));
  const range = bytes.subarray(at, at + length);
  switch (random.below(8)) {
    case 0:
      return bytes.subarray(0, at);
    case 1:
      return Buffer.concat([bytes.subarray(0, at), bytes.subarray(at + length)]);
    case 2:
      return Buffer.concat([bytes.subarray(0, at), range, bytes.subarray(at)]);
    case 3:
      return Buffer.concat([bytes.subarray(0, at), random.bytes(length), bytes.subarray(at)]);
    case 4:
      VARINT.copy(bytes, at, 0, 1 + random.below(VARINT.length));
      return bytes;
    case 5:
      range.fill(random.pick([0, 0xff, random.next() & 0xff]));
      return bytes;
    default:
      setNumber(bytes, random);
      return bytes;
  }
}

/** Flips a bit, sets a byte, or puts a number of 1 to 8 bytes at the edge of some range. */
function setNumber(bytes: Buffer, random: Random): void {
  if (bytes.length === 0) return;
  const at = random.below(bytes.length);
  const value = random.below(4) === 0 ? random.next() : random.pick(EDGES);
  const width = random.pick([1, 2, 4, 8]);
  switch (random.below(3)) {
    case 0:
      bytes[at] = (bytes[at] ?? 0) ^ (1 << random.below(8));
      return;
    case 1:
      bytes[at] = (bytes[at] ?? 0) + random.pick([1, -1, 16, 128]);
      return;
    default:
      for (let n = 0; n < width && at + n < bytes.length; n += 1) {
        bytes[at + n] = n < 4 ? (value >>> (8 * n)) & 0xff : 0;
      }
  }
}
