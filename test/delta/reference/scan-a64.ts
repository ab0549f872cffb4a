import { branchKind, branchTarget, isPage, low12, low12Scale, pageOf } from './a64.ts';
import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';
import { u32 } from './word.ts';

/** Bytes that an ADRP's page is believed to last. */
const REACH = 1024;
/** Words this far around one tell whether it is data. */
const AROUND = 64;
const STRANGE = 3;

/** A register that holds a page. */
interface Page {
  readonly address: number;
  readonly offset: number;
  /** Its ADRP, until the target is known. */
  waiting: { target: number } | undefined;
}

/** Branches by their opcode, pages with what is added to them (CODING.md, "AArch64"). */
export function scanA64(
  old: Bytes,
  image: Image,
  section: Section,
  from: number,
  to: number,
): Ref[] {
  const address = image.addressOf(from);
  if (address === undefined) return [];
  const first = from + (-address & 3);
  const base = address - from;
  const least = first - ((first - section.offset) & ~3);
  const end = first + ((section.offset + section.bytes - first) & ~3);
  const refs: { offset: number; kind: Kind; aux: number; target: number; base: number }[] = [];
  const pages = new Map<number, Page>();
  const isWanted = (offset: number) => offset >= first && offset < to;
  const emit = (offset: number, kind: Kind, aux: number, target: number) => {
    const ref = { offset, kind, aux, target, base: 0 };
    refs.push(ref);
    return ref;
  };
  const start = Math.max(least, first - REACH);
  const stop = Math.min(end, to + REACH);
  for (let offset = start; offset < stop; offset += 4) {
    if (isData(old, offset, least, end)) continue;
    const word = old.u32(offset);
    const place = u32(base + offset);
    const kind = branchKind(word);
    if (kind !== undefined) {
      const target = branchTarget(kind, word, place);
      if (isWanted(offset) && image.isCode(target)) emit(offset, kind, 0, target);
    } else if (isPage(word)) {
      const page = pageOf(word, place);
      pages.delete(word & 31);
      if (!image.isLoaded(page) && !image.isLoaded(u32(page + 0xfff))) continue;
      const waiting = isWanted(offset) ? emit(offset, Kind.a64Page, 0, page) : undefined;
      pages.set(word & 31, { address: page, offset, waiting });
    } else {
      const page = pages.get((word >>> 5) & 31);
      const scale = low12Scale(word);
      if (page && scale !== undefined && offset - page.offset <= REACH) {
        const low = low12(word, scale);
        const target = u32(page.address + low);
        if (low < 0x1000 && image.isLoaded(target)) {
          if (isWanted(offset)) emit(offset, Kind.a64Low12, scale, target);
          if (page.waiting) page.waiting.target = target;
          page.waiting = undefined;
        }
      }
      for (const register of written(word)) pages.delete(register);
    }
  }
  return refs;
}

/** True if near the word three or more are no instructions. */
function isData(old: Bytes, offset: number, least: number, end: number): boolean {
  let strange = 0;
  const last = Math.min(end - 4, offset + AROUND);
  for (let at = Math.max(least, offset - AROUND); at <= last; at += 4) {
    const word = old.u32(at);
    if (word !== 0 && (word & 0x18000000) === 0) strange++;
  }
  return strange >= STRANGE;
}

/** The registers that an instruction writes, as far as it matters: not by loads from the stack. */
function written(word: number): number[] {
  const group = (word >>> 25) & 15;
  if ([5, 8, 9, 13].includes(group)) {
    const isConditionalCompare = (word & 0x3fe00000) === 0x3a400000;
    return isConditionalCompare ? [] : [word & 31];
  }
  const registers: number[] = [];
  if (((word >>> 5) & 31) === 31) return registers;
  if ((word & 0x3c000000) === 0x38000000 && (word & 0x00c00000) !== 0) registers.push(word & 31);
  if ((word & 0x3e400000) === 0x28400000) registers.push(word & 31, (word >>> 10) & 31);
  return registers;
}
