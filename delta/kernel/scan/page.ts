// References of one page: 4096 bytes of those that readOld gives. What is found depends only on the
// image and on bytes near the page, never on what was scanned before.

import { Image, Machine, Role, Section, SectionFlag } from '../elf/image';
import { scanArmUnwind } from './arm-unwind';
import { scanCode } from './code';
import { scanData } from './data';
import { scanEhFrame, scanEhFrameHeader } from './eh-frame-refs';
import { clearRefs, refCount } from './emit';
import { scanPclntab } from './go-pclntab';
import { scanTypelink } from './go-typelink';
import { scanGnuHash } from './gnu-hash';
import { hasTypes, scanTypes } from './go-types';
import { scanRelocations } from './relocations';
import { scanJumpTables } from './jump-tables';
import { settleRefs } from './settle';
import { scanSymbols } from './symbols';

export const PAGE_SHIFT: u32 = 12;
export const PAGE_BYTES: u32 = 4096;
/** No page has more references: the least field has 4 bytes. */
export const MAX_PAGE_REFS: u32 = 1024;

/** Finds the references whose first byte lies in the page: `refCount` at `refs`, in order. */
export function scanPage(image: Image, page: u32): u32 {
  clearRefs();
  addPage(image, page);
  settleRefs(page << PAGE_SHIFT);
  return refCount;
}

/** Emits the references of one image; settleRefs comes after the last. */
export function addPage(image: Image, page: u32): void {
  const from = page << PAGE_SHIFT;
  const to = from + PAGE_BYTES;
  for (let i = firstSection(image, from); i < image.sectionCount; i++) {
    const section = image.section(i);
    if (section.offset >= to) return;
    const first = max(from, section.offset);
    scanPart(image, section, first, min(to, section.offset + section.bytes));
  }
}

/** The first section that ends after `offset`. */
function firstSection(image: Image, offset: u32): u32 {
  let low: u32 = 0;
  let high = image.sectionCount;
  while (low < high) {
    const middle = (low + high) >> 1;
    const section = image.section(middle);
    if (section.offset + section.bytes > offset) high = middle;
    else low = middle + 1;
  }
  return low;
}

function hasJumpTables(image: Image, section: Section): bool {
  return image.machine === Machine.X64 && (section.flags & SectionFlag.WRITABLE) === 0;
}

function scanPart(image: Image, section: Section, from: u32, to: u32): void {
  const role = section.role;
  if (role === Role.CODE || role === Role.A32_PLT) scanCode(image, section, from, to);
  else if (role === Role.DATA) {
    if (hasTypes(image, from, to)) scanTypes(image, section, from, to);
    else scanData(image, section, from, to);
    if (hasJumpTables(image, section)) scanJumpTables(image, section, from, to);
  } else if (role === Role.SYMBOLS) scanSymbols(image, section, from, to);
  else if (role === Role.RELOCATIONS) scanRelocations(image, section, from, to);
  else if (role === Role.EH_FRAME) scanEhFrame(image, section, from, to);
  else if (role === Role.EH_FRAME_HDR) scanEhFrameHeader(image, section, from, to);
  else if (role === Role.GO_PCLNTAB) scanPclntab(image, section, from, to);
  else if (role === Role.ARM_EXIDX || role === Role.ARM_EXTAB) scanArmUnwind(image, section, from, to);
  else if (role === Role.GNU_HASH) scanGnuHash(image, section, from, to);
  else if (role === Role.GO_TYPELINK) scanTypelink(image, section, from, to);
}
