import { ByteWriter } from '../../delta/format/bytes.ts';
import type { Random } from './random.ts';

const MOST_BYTES = 8;
/** Numbers that stand at the end of some range. */
const EDGES = [
  0,
  1,
  3,
  0x7f,
  0x80,
  0xffff,
  2 ** 24,
  2 ** 30,
  2 ** 30 + 1,
  2 ** 31,
  2 ** 32 - 1,
  Number.MAX_SAFE_INTEGER,
];

/**
 * A stream of varints (FORMAT.md, "Numbers and bounds") with one to three of its first `count` numbers
 * changed, moved, put in or taken out; what follows them stays.
 */
export function mutateNumbers(bytes: Buffer, random: Random, count = Infinity): Buffer {
  const { numbers, rest } = parse(bytes, count);
  for (let left = 1 + random.below(3); left > 0; left -= 1) change(numbers, random);
  const made = new ByteWriter();
  for (const number of numbers) made.varint(number);
  return Buffer.from(made.bytes(rest).view());
}

function change(numbers: number[], random: Random): void {
  const at = random.below(numbers.length);
  const old = numbers[at] ?? 0;
  switch (random.below(6)) {
    case 0:
      numbers[at] = random.pick(EDGES);
      return;
    case 1:
      numbers[at] = bounded(old + random.pick([1, -1, 2, -2, 4, -4, 256, -256]));
      return;
    case 2:
      numbers[at] = bounded(random.pick([old * 2, old * 4, Math.floor(old / 2), old + 2 ** 32]));
      return;
    case 3:
      numbers[at] = numbers[random.below(numbers.length)] ?? 0;
      return;
    case 4:
      numbers.splice(at, 1);
      return;
    default:
      numbers.splice(at, 0, random.below(2) === 0 ? old : random.pick(EDGES));
  }
}

function bounded(value: number): number {
  return Math.min(Math.max(value, 0), Number.MAX_SAFE_INTEGER);
}

function parse(
  bytes: Buffer,
  count: number,
): { readonly numbers: number[]; readonly rest: Buffer } {
  const numbers: number[] = [];
  let start = 0;
  while (start < bytes.length && numbers.length < count) {
    let at = start;
    while (at - start < MOST_BYTES - 1 && (bytes[at] ?? 0) >= 0x80) at += 1;
    let value = 0;
    for (let n = at; n >= start; n -= 1) value = value * 0x80 + ((bytes[n] ?? 0) & 0x7f);
    numbers.push(bounded(value));
    start = at + 1;
  }
  return { numbers, rest: bytes.subarray(start) };
}
