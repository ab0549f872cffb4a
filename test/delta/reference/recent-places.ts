// Earlier places of the section with the same last bytes (CODING.md, "Match").

import { NO_BYTE } from './old-view.ts';
import type { Output } from './output.ts';
import { u32 } from './word.ts';

const KEY_FACTOR = 0x9e3779b97f4a7c15n;
const KEY_BYTES = 5;
const MIN_MATCH = 4;
const MAX_MATCH = 32;
const MAX_MISSES = 6;
/** Bytes before a run that become known. */
const LEAD = 64;
const HISTORY = 65536;

export interface Match {
  /** The byte that is expected, NO_BYTE if none. */
  readonly byte: number;
  /** Its place; meaningless without a byte. */
  readonly at: number;
  readonly length: number;
  /** Bits, the latest lowest. */
  readonly misses: number;
}

export class RecentPlaces {
  readonly #places = new Map<number, number>();
  /** Place up to which all are known. */
  #known = 0;
  #at = 0;
  #length = 0;
  #misses = 0xff;
  #expected = NO_BYTE;

  /** Begins a run at `out.at`. */
  begin(out: Output): void {
    this.#at = 0;
    this.#length = 0;
    this.#misses = 0xff;
    const first = Math.max(out.at - LEAD, out.start + 8, this.#known);
    for (let n = first; n < out.at; n++) this.#places.set(keyAt(out, n), n);
  }

  /** What the match, perhaps a new one, says of the next byte. */
  expected(out: Output): Match {
    this.#find(out);
    const isFollowed = this.#at !== 0 && ones(this.#misses & 0xff) < MAX_MISSES;
    this.#expected = isFollowed ? (out.bytes[this.#at] ?? 0) : NO_BYTE;
    return { byte: this.#expected, at: this.#at, length: this.#length, misses: this.#misses };
  }

  /** The expected byte, if any, was right or not. */
  learn(isRight: boolean): void {
    const isFollowed = this.#expected !== NO_BYTE;
    this.#length = isFollowed && isRight ? Math.min(this.#length + 1, 60) : 0;
    if (!isFollowed) return;
    this.#at++;
    this.#misses = u32(this.#misses * 2 + (isRight ? 0 : 1));
  }

  #find(out: Output): void {
    const n = out.at;
    if (n < out.start + 8) return;
    const key = keyAt(out, n);
    const place = this.#places.get(key);
    this.#places.set(key, n);
    this.#known = n + 1;
    if (this.#length > 0 || place === undefined || place === this.#at) return;
    if (place >= n || place < out.start + MAX_MATCH || n - place > HISTORY - 2 * MAX_MATCH) return;
    let length = 0;
    while (
      length < Math.min(MAX_MATCH, n - out.start) &&
      out.bytes[place - 1 - length] === out.bytes[n - 1 - length]
    ) {
      length++;
    }
    if (length < MIN_MATCH) return;
    this.#at = place;
    this.#length = length;
    this.#misses = 0;
  }
}

/** 16 bits of the bytes before place `n`. */
function keyAt(out: Output, n: number): number {
  let key = 0n;
  for (let back = 1; back <= KEY_BYTES; back++) {
    key = (key << 8n) | BigInt(out.bytes[n - back] ?? 0);
  }
  return Number(BigInt.asUintN(64, key * KEY_FACTOR) >> 48n);
}

function ones(bits: number): number {
  let count = 0;
  for (let rest = bits; rest !== 0; rest &= rest - 1) count++;
  return count;
}
