// Arm and Thumb code, by pages of addresses (CODING.md, "Arm and Thumb").

import {
  armBranchTarget,
  isArmBranch,
  isPltEntry,
  isThumbBranch,
  isThumbExchange,
  isThumbWide,
  pltTarget,
  thumbBranchTarget,
} from './arm.ts';
import { ArmCode, ARM_PAGE } from './arm-code.ts';
import { findAdders, type Adder } from './arm-pool.ts';
import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Kind, type Ref } from './kinds.ts';

const PLT_ENTRY = 12;
/** Images from here on are not relocated. */
const LEAST_FIXED = 0x10000n;

export function scanArm(
  old: Bytes,
  image: Image,
  section: Section,
  from: number,
  to: number,
): Ref[] {
  const address = image.addressOf(from);
  if (address === undefined) return [];
  const code = new ArmCode(old, section, address - from);
  const refs: Ref[] = [];
  for (let part = address; part < address + (to - from);) {
    const page = part - (part % ARM_PAGE);
    const end = Math.min(page + ARM_PAGE, address + (to - from));
    const adders = findAdders(image, code, page);
    if (code.isThumb(page)) refs.push(...scanThumb(image, code, adders, page, part, end));
    else refs.push(...scanWords(image, code, adders, part, end));
    part = end;
  }
  return refs;
}

type Adders = ReadonlyMap<number, Adder>;

function literal(code: ArmCode, place: number, adder: Adder): Ref {
  const aux = adder.isThumb ? 4 : 8;
  const target = (code.u32(place) + adder.address + aux) >>> 0;
  return { offset: code.offset(place), kind: Kind.armLiteral, aux, target, base: adder.address };
}

function scanWords(image: Image, code: ArmCode, adders: Adders, from: number, to: number): Ref[] {
  const refs: Ref[] = [];
  const isEntry = (place: number) =>
    code.isPlt && code.has(place, PLT_ENTRY) && isPltEntry(code.old, code.offset(place));
  let place = (from + 3) & ~3;
  const before = [place - 8, place - 4].find(isEntry);
  if (before !== undefined) place = before + PLT_ENTRY;
  while (place < to && code.has(place, 4)) {
    const offset = code.offset(place);
    const adder = adders.get(place);
    if (isEntry(place)) {
      const target = pltTarget(code.old, offset, place);
      refs.push({ offset, kind: Kind.armPlt, aux: 0, target, base: 0 });
      place += PLT_ENTRY;
      continue;
    }
    if (adder) refs.push(literal(code, place, adder));
    else refs.push(...wordRef(image, code, place));
    place += 4;
  }
  return refs;
}

function wordRef(image: Image, code: ArmCode, place: number): Ref[] {
  const word = code.u32(place);
  const offset = code.offset(place);
  if (isArmBranch(word)) {
    const target = armBranchTarget(word, place);
    return image.isCode(target) ? [{ offset, kind: Kind.armBranch, aux: 0, target, base: 0 }] : [];
  }
  if (image.lowest < LEAST_FIXED) return [];
  if ((word - Number(image.lowest)) >>> 0 < 0x1000) return [];
  const target = image.placeOf(BigInt(word));
  return target === undefined ? [] : [{ offset, kind: Kind.address32, aux: 0, target, base: 0 }];
}

function scanThumb(
  image: Image,
  code: ArmCode,
  adders: Adders,
  page: number,
  from: number,
  to: number,
): Ref[] {
  const refs: Ref[] = [];
  const begin = (Math.max(page, code.begin) + 1) & ~1;
  let starts = code.isThumbStart(begin);
  let free = (from + 1) & ~1;
  for (let place = begin; place < to && code.has(place, 4); place += 2) {
    if (place >= free) {
      const adder = adders.get(place);
      const ref = adder
        ? literal(code, place, adder)
        : starts && thumbRef(image, code, adders, place);
      if (ref) {
        refs.push(ref);
        free = place + 4;
      }
    }
    starts = !(starts && isThumbWide(code.u16(place)));
  }
  return refs;
}

function thumbRef(image: Image, code: ArmCode, adders: Adders, place: number): Ref | undefined {
  const word = code.u32(place);
  if (!isThumbBranch(word) || adders.has(place + 2)) return undefined;
  const target = thumbBranchTarget(word, place);
  if (!image.isCode(target)) return undefined;
  const aux = isThumbExchange(word) ? 1 : 0;
  return { offset: code.offset(place), kind: Kind.thumbBranch, aux, target, base: 0 };
}
