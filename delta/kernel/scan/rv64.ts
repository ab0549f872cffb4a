// How RISC-V references are found: JAL and branches by their opcode, if the target is code; an AUIPC with
// the first instruction that adds 12 bits to its register: right after it (one field), or within 32 bytes
// (two). Where an instruction begins is known from the halfwords before it.

import { addressOf, Image, isCode, isLoaded, NO_PLACE, Section } from '../elf/image';
import { readOld } from '../old';
import { Kind } from '../refs/kinds';
import * as rv64 from '../refs/rv64';
import { emit, scanBuffer } from './emit';

const WORD: u32 = 4;
/** Bytes after an AUIPC in which the search for what adds to it goes on. */
const SEARCH: u32 = 32;
/** Bytes from an AUIPC to the end of what adds to it. */
const REACH: u32 = WORD + SEARCH + WORD;
/** Bytes before the first instruction that tell whether one begins there. */
const LEAD: u32 = 128;

let image: Image = changetype<Image>(0);
/** Fields are wanted that begin at old offsets [first, last). */
let first: u32 = 0;
let last: u32 = 0;
/** The bytes at hand; their first one's offset, and its address. */
let bytes: usize = 0;
let length: u32 = 0;
let offset: u32 = 0;
let address: u32 = 0;

/** Emits the references of a code section whose fields begin in [from, to). */
export function scanRv64(executable: Image, section: Section, from: u32, to: u32): void {
  const place = addressOf(executable, from);
  if (place === NO_PLACE) return;
  image = executable;
  first = from + (place & 1);
  last = to;
  if (first >= last) return;
  const before = (first - section.offset) & ~1;
  const back = min(before, REACH);
  offset = first - min(before, REACH + LEAD);
  length = min(to + REACH, section.offset + section.bytes) - offset;
  address = place - (from - offset);
  bytes = readOld(offset, length, scanBuffer);
  let at = first - offset - back;
  if (!rv64.isStart(bytes + at, bytes)) at += 2;
  while (offset + at < last && at + WORD <= length) at += scanInstruction(at);
}

/** Returns how many bytes the scan goes on. */
function scanInstruction(at: u32): u32 {
  const word = wordAt(at);
  if (!rv64.isWide(word)) return 2;
  const place = address + at;
  const kind = rv64.jumpKind(word);
  if (kind !== Kind.NONE) {
    const target = rv64.jumpTarget(kind, word, place);
    if (isCode(image, target)) emitWanted(at, kind, target, 0);
  } else if (rv64.isAuipc(word)) {
    const low = findLow(word, at + WORD);
    if (low === 0 || !isTarget(word, wordAt(low), place)) return WORD;
    const target = rv64.pairTarget(word, wordAt(low), place);
    if (low === at + WORD) {
      emitWanted(at, Kind.RV_PAIR, target, 0);
      return 2 * WORD;
    }
    emitWanted(at, Kind.RV_HIGH, target, 0);
    emitWanted(low, Kind.RV_LOW, target, place);
  }
  return WORD;
}

@inline
function wordAt(at: u32): u32 {
  return load<u32>(bytes + <usize>at);
}

/** Where the first instruction is, from `at` on, that adds to what the AUIPC `high` sets; or 0. */
function findLow(high: u32, at: u32): u32 {
  const end = min(at + SEARCH + WORD, length);
  while (at + WORD <= end) {
    const word = wordAt(at);
    if (!rv64.isWide(word)) {
      at += 2;
      continue;
    }
    if (rv64.isLow(high, word)) return at;
    // Set anew; what follows belongs to that one.
    if (rv64.isAuipc(word) && rv64.auipcRegister(word) === rv64.auipcRegister(high)) return 0;
    at += WORD;
  }
  return 0;
}

function isTarget(high: u32, low: u32, place: u32): bool {
  const target = rv64.pairTarget(high, low, place);
  return rv64.isJalr(low) ? isCode(image, target) : isLoaded(image, target);
}

function emitWanted(at: u32, kind: u32, target: u32, base: u32): void {
  if (offset + at >= first && offset + at < last) emit(offset + at, kind, 0, target, base);
}
