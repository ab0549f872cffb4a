// Arm and Thumb code is scanned by pages of addresses. Pool words lie up to 4 KiB from the loads that
// name them, so the pages before and after are looked at as well.

import { addressOf, Image, NO_PLACE, Role, Section } from '../elf/image';
import { readOld } from '../old';
import { ARM_PAGE, isThumbCode } from './arm-mode';
import { ARM_REACH, findArmLoads, scanArmWords } from './a32';
import { openPool } from './arm-pool';
import { aligned, bytesAt, setRegion } from './arm-region';
import { scanBuffer } from './emit';
import { findThumbLoads, scanThumbHalves, STEP_BYTES } from './thumb';

/** Emits the references of a code section whose fields begin in [from, to), at most one page apart. */
export function scanArm(image: Image, section: Section, from: u32, to: u32): void {
  const address = addressOf(image, from);
  if (address === NO_PLACE) return;
  let part = from;
  while (part < to) {
    const place = address + (part - from);
    const stop = part + min(to - part, ARM_PAGE - (place & (ARM_PAGE - 1)));
    openRegion(image, section, part, place);
    scanPart(place, place + (stop - part), section.role === Role.A32_PLT);
    part = stop;
  }
}

/** Reads the page of `place`, the pages next to it, and what more their scan looks at. */
function openRegion(image: Image, section: Section, offset: u32, place: u32): void {
  const inPage = place & (ARM_PAGE - 1);
  const before = min(inPage + ARM_PAGE + <u32>STEP_BYTES, offset - section.offset);
  const last = section.offset + section.bytes;
  const after = min(2 * ARM_PAGE - inPage + <u32>ARM_REACH + 4, last - offset);
  const bytes = readOld(offset - before, before + after, scanBuffer);
  setRegion(image, bytes, before + after, place - before, offset - before);
}

/** The addresses from `from` to `to` lie in one page. */
function scanPart(from: u32, to: u32, isPlt: bool): void {
  const page = from & ~(ARM_PAGE - 1);
  openPool(page);
  findLoads(page - ARM_PAGE, isPlt);
  const isThumb = findLoads(page, isPlt);
  findLoads(page + ARM_PAGE, isPlt);
  const first = bytesAt(from);
  const last = bytesAt(to);
  if (isThumb) scanThumbHalves(aligned(bytesAt(page), 2), aligned(first, 2), last);
  else scanArmWords(aligned(first, 4), last, isPlt);
}

/** Notes the pool words that a page's loads refer to; true if the page is Thumb. */
function findLoads(page: u32, isPlt: bool): bool {
  const first = bytesAt(page);
  const last = bytesAt(page + ARM_PAGE);
  const isThumb = !isPlt && isThumbCode(aligned(first, 4), last);
  if (isThumb) findThumbLoads(aligned(first, 2), last);
  else findArmLoads(aligned(first, 4), last);
  return isThumb;
}
