// Numbers as Elias gamma codes of value + 1, each bit predicted from contexts.

import { fail, Fault } from '../fail';
import { encoding } from './arith';
import { hash } from './hash';
import { Mixer, newMixer } from './mixer';
import { isPlain, putPlainNumber, Stream, takePlainNumber } from './plain';

let mixer: Mixer = changetype<Mixer>(0);

export function openNumbers(): void {
  if (!isPlain) mixer = newMixer(5, 16, 64, 24, 0, 0, 1, 64, 30);
}

/** Codes a number below 2^32 - 1; `id` (below 64) names what it is, `c1` to `c3` are its contexts. */
export function codeNumber(value: u32, id: u32, c1: u32, c2: u32, c3: u32): u32 {
  if (isPlain) return codePlainNumber(value);
  const plus = <u64>value + 1;
  const length: u32 = 64 - <u32>clz<u64>(plus);
  let n: u32 = 1;
  for (; ; n++) {
    mixer.setHash(0, hash(id, n, 1));
    mixer.setHash(1, hash(id, n, 2, c1));
    mixer.setHash(2, hash(id, n, 3, c2));
    mixer.setHash(3, hash(id, n, c1, c2 + 77));
    mixer.setHash(4, hash(id, n, c3, 5));
    if (!mixer.code(length > n ? 1 : 0, 0, id & 63, min(n, 23), 0, 0, 0, id, n)) break;
    if (n >= 32) fail(Fault.BAD_FORMAT, n);
  }
  let prefix: u32 = 1;
  for (let i = <i32>n - 2; i >= 0; i--) {
    const isTop = <i32>n - 2 - i < 4;
    const known = isTop ? prefix : 0;
    const step = n * 64 + <u32>i;
    mixer.setHash(0, hash(id + 100, step, known));
    mixer.setHash(1, hash(id + 101, step, known, c1));
    mixer.setHash(2, hash(id + 102, step, known, c2));
    mixer.setHash(3, hash(id + 103, i < 3 ? <u32>i : 9, i < 3 ? (n > 3 ? 1 : 0) : n));
    mixer.setHash(4, hash(id + 104, step, prefix, c3));
    const bit = <u32>(plus >> <u64>i) & 1;
    prefix =
      prefix * 2 +
      mixer.code(bit, 0, id & 63, <u32>min(i, 23), 0, 0, 0, id, 32 + <u32>min(i, 30));
  }
  return prefix - 1;
}

function codePlainNumber(value: u32): u32 {
  if (!encoding) return takePlainNumber(Stream.NUMBERS);
  putPlainNumber(Stream.NUMBERS, value);
  return value;
}

/** Signed numbers, zigzag: small ones of either sign are short. */
export function codeSigned(value: i32, id: u32, c1: u32, c2: u32, c3: u32): i32 {
  const zigzag = codeNumber((<u32>value << 1) ^ <u32>(value >> 31), id, c1, c2, c3);
  return <i32>(zigzag >>> 1) ^ -<i32>(zigzag & 1);
}
