// The control stream: segments, holes and blocks (CODING.md, "Control").

import type { Block } from './block-map.ts';
import { Image, Machine } from './image.ts';
import type { Numbers } from './numbers.ts';
import { bitsOf, check, u32 } from './word.ts';

const Id = {
  gap: 1,
  shiftIndex: 2,
  shift: 3,
  length: 4,
  blocks: 5,
  machine: 6,
  segments: 10,
  offset: 11,
  address: 12,
  fileBytes: 13,
  memoryBytes: 14,
  flags: 15,
  holes: 16,
  holeKind: 17,
  holePlace: 18,
  holeBytes: 19,
  lowest: 20,
} as const;

const MAX_BLOCKS = 131072;
const MAX_HOLES = 8;
const RECENT_SHIFTS = 64;

/** New bytes that no block covers: another model makes them from old ones. */
export interface Hole {
  readonly kind: number;
  readonly fresh: number;
  readonly bytes: number;
  readonly old: number;
  readonly oldBytes: number;
}

export interface Head {
  /** The new file: its segments only. */
  readonly fresh: Image;
  readonly holes: readonly Hole[];
  readonly blocks: readonly Block[];
}

export function readHead(
  numbers: Numbers,
  first: Image | undefined,
  oldBytes: number,
  newBytes: number,
): Head {
  const told = numbers.next(Id.machine);
  const old = first?.machine === told ? first : undefined;
  const fresh = old ? readSegments(numbers, old, newBytes) : noImage(newBytes);
  const holes = readHoles(numbers, oldBytes, newBytes);
  const isWordy = fresh.machine === Machine.a64 || fresh.machine === Machine.a32;
  const blocks = readBlocks(numbers, isWordy, holes, oldBytes, newBytes);
  return { fresh, holes, blocks };
}

function noImage(fileBytes: number): Image {
  const facts = { machine: Machine.none, is64: false, fileOffset: 0, lowest: 0n, addressBase: 0 };
  return new Image({ ...facts, fileBytes });
}

function readSegments(numbers: Numbers, old: Image, newBytes: number): Image {
  const low = Number(old.lowest & 0xffffffffn) + numbers.signed(Id.lowest);
  const high = Number(old.lowest >> 32n) + numbers.signed(Id.lowest, 1);
  const fresh = new Image({
    machine: old.machine,
    is64: old.is64,
    fileOffset: 0,
    fileBytes: newBytes,
    lowest: BigInt(u32(low)) | (BigInt(u32(high)) << 32n),
    addressBase: 0,
  });
  const count = numbers.next(Id.segments);
  check(count <= 64, 'too many segments');
  for (let i = 0; i < count; i++) {
    const known = old.segments[i];
    const offset = known ? known.offset - old.fileOffset : 0;
    const address = known ? known.address - old.addressBase : 0;
    const moved = numbers.signed(Id.offset, i);
    const apart = numbers.signed(Id.address);
    const grown = numbers.signed(Id.fileBytes, i);
    const more = numbers.signed(Id.memoryBytes);
    const isRight = fresh.addSegment({
      address: u32(address + moved + apart),
      offset: u32(offset + moved),
      fileBytes: u32((known?.fileBytes ?? 0) + grown),
      memoryBytes: u32((known?.memoryBytes ?? 0) + grown + more),
      flags: u32(numbers.next(Id.flags) ^ (known?.flags ?? 0)),
    });
    check(isRight, 'segment outside of the file or the address space');
  }
  return fresh;
}

function readHoles(numbers: Numbers, oldSize: number, newSize: number): Hole[] {
  const count = numbers.next(Id.holes);
  check(count <= MAX_HOLES, 'too many holes');
  const holes: Hole[] = [];
  let end = 0;
  for (let i = 0; i < count; i++) {
    const kind = numbers.next(Id.holeKind);
    const old = numbers.next(Id.holePlace);
    const oldBytes = numbers.next(Id.holeBytes);
    const fresh = u32(old + numbers.signed(Id.holePlace, 1));
    const bytes = u32(oldBytes + numbers.signed(Id.holeBytes, 1));
    check(fresh >= end && fresh + bytes <= newSize, 'hole outside of the new file');
    check(old + oldBytes <= oldSize, 'hole outside of the old file');
    holes.push({ kind, fresh, bytes, old, oldBytes });
    end = fresh + bytes;
  }
  return holes;
}

/** The new offset of a coordinate, which counts without holes. */
function uncut(coordinate: number, holes: readonly Hole[]): number {
  return holes.reduce((at, hole) => (hole.fresh <= at ? at + hole.bytes : at), coordinate);
}

function readBlocks(
  numbers: Numbers,
  isWordy: boolean,
  holes: readonly Hole[],
  oldSize: number,
  newSize: number,
): Block[] {
  const count = numbers.next(Id.blocks);
  check(count <= MAX_BLOCKS, 'too many blocks');
  const newEnd = holes.reduce((rest, hole) => rest - hole.bytes, newSize);
  const blocks: Block[] = [];
  const recent: number[] = [];
  let end = 0;
  let gapClass = 0;
  let lengthClass = 0;
  let told1 = 0;
  let told2 = 0;
  for (let i = 0; i < count; i++) {
    const third = isWordy ? end & 3 : gapClass * 32 + lengthClass;
    const gap = numbers.next(Id.gap, gapClass | (told1 << 8), lengthClass, third);
    const at = end + gap;
    check(at <= newEnd, 'block begins outside of the new file');
    const phase = isWordy ? at & 3 : 0;
    const gapBits = bitsOf(gap);
    const told = numbers.next(
      Id.shiftIndex,
      Math.min(gapBits, 7) | (phase << 4),
      told1 | (told2 << 3),
      lengthClass,
    );
    check(told <= recent.length, 'no such recent shift');
    let shift = told === 0 ? (recent[0] ?? 0) : (recent[told - 1] ?? 0);
    if (told === 0) {
      const turn = isWordy ? ((at + shift) & 3) + 1 : 0;
      shift = (shift + numbers.signed(Id.shift, turn, Math.min(gapBits, 7), told1)) | 0;
    } else recent.splice(told - 1, 1);
    recent.unshift(shift);
    if (recent.length > RECENT_SHIFTS) recent.pop();
    told2 = told1;
    told1 = Math.min(told, 3);
    const old = u32(at + shift);
    const length = numbers.next(
      Id.length,
      told1 | (phase << 4),
      gapBits | (told1 << 8),
      lengthClass,
    );
    check(length > 0 && at + length <= newEnd, 'block ends outside of the new file');
    check(old + length <= oldSize, 'block outside of the old file');
    blocks.push({ fresh: uncut(at, holes), old, length });
    gapClass = Math.min(gapBits, 15);
    lengthClass = Math.min(bitsOf(length), 20);
    end = at + length;
  }
  return blocks;
}
