// The old bytes and their references, a page at a time: the only memory of the old file while applying.

import { imageAt, imageCount } from '../elf/images';
import { alloc } from '../memory';
import { holdOld, oldBase, oldSize, readOld } from '../old';
import { REF_BYTES } from '../refs/kinds';
import { clearRefs, refCount, refs } from './emit';
import { addPage, MAX_PAGE_REFS, PAGE_BYTES, PAGE_SHIFT } from './page';
import { settleRefs } from './settle';

/** Bytes that can be read after a page's own; zeros after the end of the old bytes. */
const BYTES_AFTER: u32 = 16;
/** Bytes that are read before a page's own: most scanners begin within them. */
const BYTES_BEFORE: u32 = 64;
/** Bytes before a page that the scanners which look back furthest want to see, of those read at once. */
const BYTES_BACK: u32 = 4096;
/** Bytes read at once when pages are asked for one after another: some pages with what is around them. */
const AHEAD_BYTES: u32 = BYTES_BACK + 15 * 4096 + BYTES_AFTER;
const SLOTS: u32 = 40;
const NO_PAGE: u32 = 0xffffffff;
const NOT_SCANNED: u32 = 0xffffffff;

/** A page; it stays until {@link SLOTS} - 1 others have been asked for. */
@unmanaged
export class OldPage {
  /** Its bytes are those from `index` * 4096. */
  index: u32;
  /** Where they lie. */
  bytes: usize;
  /** Its references ({@link Ref}), and how many. */
  refs: usize;
  count: u32;
  /** When it was last asked for. */
  used: u32;
  /** Memory for its bytes when they have to be copied. */
  copy: usize;
}

let slots: usize = 0;
/** For each page its slot + 1, or 0: bytes. */
let slotOf: usize = 0;
let clock: u32 = 0;
let lastPage: u32 = NO_PAGE;
let lastBytes: usize = 0;
/** The last bytes read ahead: `aheadBytes` from `aheadFrom`. */
let ahead: usize = 0;
let aheadFrom: u32 = 0;
let aheadBytes: u32 = 0;
/** The page that follows the last one read. */
let following: u32 = 0;

/** Allocates the cache for the old bytes that openOld has told of; once a session. */
export function openPages(): void {
  slots = alloc(<usize>SLOTS * offsetof<OldPage>());
  slotOf = alloc(((<usize>oldSize) >> PAGE_SHIFT) + 1);
  ahead = oldBase === 0 ? alloc(AHEAD_BYTES) : 0;
  aheadBytes = following = 0;
  clock = 0;
  lastPage = NO_PAGE;
  for (let i: u32 = 0; i < SLOTS; i++) {
    const page = slot(i);
    page.index = NO_PAGE;
    page.copy = alloc(BYTES_BEFORE + PAGE_BYTES + BYTES_AFTER);
    page.refs = alloc(<usize>MAX_PAGE_REFS * REF_BYTES);
  }
}

@inline
function slot(index: u32): OldPage {
  return changetype<OldPage>(slots + <usize>index * offsetof<OldPage>());
}

/** The page that holds old bytes from `index` * 4096, which must be below the number of old bytes. */
export function oldPage(index: u32): OldPage {
  const page = pageBytes(index);
  if (page.count === NOT_SCANNED) scanInto(page);
  return page;
}

/** True while `page` is still what {@link oldPage} gave for `index`. */
@inline
export function isPage(page: OldPage, index: u32): bool {
  return page.index === index && page.count !== NOT_SCANNED;
}

/** The old byte at `offset`; 0 after the last. */
export function oldByte(offset: u32): u32 {
  const index = offset >> PAGE_SHIFT;
  if (index !== lastPage) {
    if (offset >= oldSize) return 0;
    lastBytes = pageBytes(index).bytes;
    lastPage = index;
  }
  return load<u8>(lastBytes + (offset & (PAGE_BYTES - 1)));
}

@inline
function pageBytes(index: u32): OldPage {
  const known = <u32>load<u8>(slotOf + index);
  const page = known === 0 ? fetch(index) : slot(known - 1);
  page.used = ++clock;
  return page;
}

/** Takes the slot that was not asked for the longest. */
function fetch(index: u32): OldPage {
  let oldest: u32 = 0;
  for (let i: u32 = 1; i < SLOTS; i++) if (slot(i).used < slot(oldest).used) oldest = i;
  const page = slot(oldest);
  if (page.index !== NO_PAGE) store<u8>(slotOf + page.index, 0);
  if (page.index === lastPage) lastPage = NO_PAGE;
  store<u8>(slotOf + index, <u8>(oldest + 1));
  page.index = index;
  page.count = NOT_SCANNED;
  readBytes(page);
  return page;
}

function readBytes(page: OldPage): void {
  const from = page.index << PAGE_SHIFT;
  const wanted = PAGE_BYTES + BYTES_AFTER;
  if (oldBase !== 0 && oldSize - from >= wanted) {
    page.bytes = oldBase + from;
    return;
  }
  const length = min(oldSize - from, wanted);
  const before = min(from, BYTES_BEFORE);
  page.bytes = page.copy + BYTES_BEFORE;
  const to = page.bytes - before;
  const bytes = readAhead(page.index, from - before, before + length, to);
  if (bytes !== to) memory.copy(to, bytes, before + length);
  memory.fill(page.bytes + length, 0, wanted - length);
}

/** As {@link readOld}, for a page: more than is asked for if the page before was asked for last. */
function readAhead(index: u32, offset: u32, length: u32, buffer: usize): usize {
  const isNext = index === following;
  following = index + 1;
  const inside = offset - aheadFrom;
  if (inside < aheadBytes && length <= aheadBytes - inside) return ahead + inside;
  if (ahead === 0 || !isNext) return readOld(offset, length, buffer);
  aheadFrom = offset - min(offset, BYTES_BACK - BYTES_BEFORE);
  aheadBytes = min(AHEAD_BYTES, oldSize - aheadFrom);
  return readOld(aheadFrom, aheadBytes, ahead) + (offset - aheadFrom);
}

/** A page can hold the end of one source and the beginning of the next. */
function scanInto(page: OldPage): void {
  if (oldBase === 0) holdPage(page);
  scanOldPage(page.index);
  holdOld(0, 0, 0);
  page.count = refCount;
  memory.copy(page.refs, refs, <usize>refCount * REF_BYTES);
}

/** Holds a page's bytes and what is known of those around them. */
function holdPage(page: OldPage): void {
  const from = page.index << PAGE_SHIFT;
  const before = min(from, BYTES_BEFORE);
  const length = min(oldSize - from, PAGE_BYTES + BYTES_AFTER);
  const inside = from - before - aheadFrom;
  const isAhead = inside < aheadBytes && before + length <= aheadBytes - inside;
  if (isAhead) holdOld(aheadFrom, aheadBytes, ahead);
  else holdOld(from - before, before + length, page.bytes - before);
}

/** Finds the references of all sources that begin in a page of old bytes: `refCount` at `refs`. */
@inline
export function scanOldPage(index: u32): void {
  clearRefs();
  const from = index << PAGE_SHIFT;
  for (let i: u32 = 0; i < imageCount; i++) {
    const image = imageAt(i);
    const begins = image.fileOffset < from + PAGE_BYTES;
    if (begins && image.fileOffset + image.fileBytes > from) addPage(image, index);
  }
  settleRefs(from);
}
