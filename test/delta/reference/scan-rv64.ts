import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import * as rv64 from './rv64.ts';
import { u32 } from './word.ts';

/** Bytes before that tell where instructions begin. */
const LOOK_BACK = 128;
/** From an AUIPC to the last instruction that may add to it. */
const FARTHEST = 36;

/** Jumps by their opcode, AUIPCs with the first instruction that adds to them (CODING.md, "RISC-V"). */
export function scanRv64(
  old: Bytes,
  image: Image,
  section: Section,
  from: number,
  to: number,
): Ref[] {
  const address = image.addressOf(from);
  if (address === undefined) return [];
  const base = address - from;
  const end = section.offset + section.bytes;
  const first = from + (address & 1);
  if (first >= to) return [];
  const refs: Ref[] = [];
  const emit = (offset: number, kind: Kind, target: number, of = 0) => {
    if (offset >= first && offset < to) refs.push({ offset, kind, aux: 0, target, base: of });
  };
  for (const { offset, word } of instructions(old, section, first, Math.min(to, end))) {
    const kind = rv64.jumpKind(word);
    const place = u32(base + offset);
    if (kind !== undefined) {
      const target = u32(place + rv64.jumpDistance(kind, word));
      if (image.isCode(target)) emit(offset, kind, target);
    } else if (rv64.isAuipc(word)) {
      const at = lowOf(old, offset, word, Math.min(end, to + FARTHEST + 4));
      if (at === undefined) continue;
      const low = old.u32(at);
      const target = u32(place + rv64.pairDistance(word, low));
      if (rv64.isJalr(low) ? !image.isCode(target) : !image.isLoaded(target)) continue;
      if (at === offset + 4) {
        emit(offset, Kind.rvPair, target);
      } else {
        emit(offset, Kind.rvHigh, target);
        emit(at, Kind.rvLow, target, place);
      }
    }
  }
  return refs;
}

interface Instruction {
  readonly offset: number;
  readonly word: number;
}

/** Those of 32 bits that begin before `to`, from as far before `first` as matters to it. */
function* instructions(
  old: Bytes,
  section: Section,
  first: number,
  to: number,
): Generator<Instruction> {
  const end = section.offset + section.bytes;
  const least = section.offset + ((first - section.offset) & 1);
  const begin = Math.max(least, first - FARTHEST - 4);
  const known = Math.max(least, first - FARTHEST - 4 - LOOK_BACK);
  const isStart = rv64.isStart(begin, known, (at) => old.u16(at));
  for (let offset = isStart ? begin : begin + 2; offset < to && offset + 4 <= end;) {
    const word = old.u32(offset);
    const isWide = rv64.isWide(word & 0xffff);
    if (isWide) yield { offset, word };
    offset += isWide ? 4 : 2;
  }
}

/** Where what adds to the AUIPC at `auipc` is, if it comes soon and before its register is set anew. */
function lowOf(old: Bytes, auipc: number, high: number, end: number): number | undefined {
  for (let at = auipc + 4; at <= auipc + FARTHEST && at + 4 <= end;) {
    const word = old.u32(at);
    if (!rv64.isWide(word & 0xffff)) {
      at += 2;
      continue;
    }
    if (rv64.addsTo(high, word)) return at;
    if (rv64.isAuipc(word) && rv64.destination(word) === rv64.destination(high)) return undefined;
    at += 4;
  }
  return undefined;
}
