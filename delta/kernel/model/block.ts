// New bytes that a block covers, chunk by chunk: predict, code, learn.

import { isLeftOut, Step } from '../ablation';
import { Image, Machine, Section } from '../elf/image';
import { imageOfOffset } from '../elf/images';
import { Block, BLOCK_BYTES } from '../map/block';
import { alloc } from '../memory';
import { oldPage } from '../scan/pages';
import { learnFields, openBlockFields, predictFields } from './fields-ahead';
import { codeChunk } from './residual';
import { learnShorts, openBlockShorts, predictShorts } from './shorts-ahead';
import { canGoInPlace, enterInPlace, goOnInPlace, leaveInPlace } from './plain-block';
import { reachOf } from './shorts';
import { CHUNK, clearWindow, other, predicted, slideWindow } from './window';

let fresh: u32 = 0;
let old: u32 = 0;
let length: u32 = 0;
/** Bytes done. */
let done: u32 = 0;
/** Bytes of the block that are in the window. */
let loaded: u32 = 0;

/** The block as it is coded here, for short fields, and its executable. */
let part: Block = changetype<Block>(0);
let image: Image = changetype<Image>(0);
let hasShorts: bool = false;
/** Between these bytes of the block no short field is looked for, or waits for its new bytes. */
let middleFrom: u32 = 0;
let middleTo: u32 = 0;

/** The old section of the chunk, as coding contexts. */
let section: u32 = 0;
let sectionFrom: u32 = 0;
let sectionEnd: u32 = 0;
let entryBytes: u32 = 0;

export function openBlocks(): void {
  part = changetype<Block>(alloc(BLOCK_BYTES));
}

/** Begins the block, or the part of it that lies in the section being coded. */
export function openBlock(block: Block, skip: u32, bytes: u32): void {
  fresh = block.fresh + skip;
  old = block.old + skip;
  length = bytes;
  done = 0;
  loaded = 0;
  sectionEnd = 0;
  clearWindow();
  loadOld(0);
  openBlockFields(old, length);
  openPartShorts();
}

function openPartShorts(): void {
  const found = imageOfOffset(old);
  hasShorts = found !== null && found.machine !== Machine.A64 && !isLeftOut(Step.SHORTS);
  const reach = found !== null && hasShorts ? reachOf(found) + 2 * CHUNK : 0;
  middleFrom = min(reach, length);
  middleTo = length - middleFrom;
  if (found === null) return;
  image = found;
  part.fresh = fresh;
  part.old = old;
  part.length = length;
  openBlockShorts();
}

/** Fills the window's two last thirds with old bytes from `from` on, as far as the block goes. */
function loadOld(from: u32): void {
  const end = min(from + 2 * CHUNK, length);
  while (loaded < end) {
    const at = old + loaded;
    const page = oldPage(at >>> 12);
    const inside = at & 4095;
    const bytes = min(end - loaded, 4096 - inside);
    const to = <usize>(CHUNK + loaded - from);
    const bytesAt = page.bytes + <usize>inside;
    if (bytes === CHUNK) {
      copyChunk(predicted + to, bytesAt);
      copyChunk(other + to, bytesAt);
    } else {
      memory.copy(predicted + to, bytesAt, bytes);
      memory.copy(other + to, bytesAt, bytes);
    }
    loaded += bytes;
  }
}

@inline
function copyChunk(to: usize, from: usize): void {
  v128.store(to, v128.load(from));
  v128.store(to, v128.load(from, 16), 16);
}

/** Codes on until `limit` new bytes of the block are done or all; returns how many are. */
export function continueBlock(limit: u32): u32 {
  const end = min(limit, length);
  if (done < middleFrom) codeChunks(min(end, middleFrom));
  if (done >= middleFrom && canGoInPlace(done, min(end, middleTo))) goThroughMiddle(min(end, middleTo));
  codeChunks(end);
  return done;
}

function goThroughMiddle(stop: u32): void {
  enterInPlace(fresh, done, loaded, predicted + CHUNK);
  done = goOnInPlace(fresh, old, length, done, stop);
  if (done === length) return;
  clearWindow();
  loaded = done + leaveInPlace(fresh, done, predicted + CHUNK, 2 * CHUNK);
  loadOld(done);
}

function codeChunks(end: u32): void {
  while (done < end) {
    const to = min(done + CHUNK - ((fresh + done) & 3), length);
    predictFields(fresh, old, length, done, to);
    if (hasShorts) predictShorts(part, image, done, to);
    findSection(old + done);
    codeChunk(fresh + done, to - done, done, length, old + done, section, sectionFrom, entryBytes);
    learnFields(to);
    if (hasShorts) learnShorts(fresh, to);
    const chunk = to - done;
    done = to;
    if (done === length) break;
    slideWindow(chunk);
    loadOld(done);
  }
}

function findSection(at: u32): void {
  if (sectionEnd !== 0 && at >= sectionFrom && at < sectionEnd) return;
  section = 0;
  entryBytes = 0;
  sectionFrom = at;
  sectionEnd = at + 1;
  const image = imageOfOffset(at);
  if (image === null) return;
  const found = sectionBefore(image, at);
  if (found === null) return;
  section = found.index + 1;
  sectionFrom = found.offset;
  sectionEnd = found.offset + found.bytes;
  entryBytes = found.entry;
}

/** The section that holds the old byte at `at`, or null. */
function sectionBefore(image: Image, at: u32): Section | null {
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const s = image.section(i);
    if (at - s.offset < s.bytes) return s;
  }
  return null;
}
