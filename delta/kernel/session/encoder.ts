// Building: the host writes old and new bytes, `align` finds the blocks, then control and sections.

import { openCosts } from '../code/cost';
import { openPlain } from '../code/plain';
import { Image } from '../elf/image';
import { segmentsOnly } from '../elf/segments';
import { BLOCK_BYTES } from '../map/block';
import { alloc, release } from '../memory';
import { blockAt, blockCount, setBlocks } from '../model/control';
import { holeAt, holeCount } from '../model/holes';
import { openOutput } from '../model/output';
import { continueSection, endOfSection, openSectionModels } from '../model/section';
import { openPages } from '../scan/pages';
import { alignBlocks, alignedBlocks, MOST_PASSES } from './align';
import { beginOutput, endOutput, openOutputs } from './coding';
import { clipBlocks, findHoles } from './holes';
import { codeHead, FAST, openCoding, openModels } from './models';
import { parsePair } from './pair';
import { openSources } from './sources';
import { openStreams } from './streams';

/** Before and after both files, so that reads of whole words near the ends stay in memory. */
const MARGIN: u32 = 64;

let oldBytes: usize = 0;
let oldLength: u32 = 0;
let newBytes: usize = 0;
let newLength: u32 = 0;
let fresh: Image = changetype<Image>(0);
let profile: u32 = 0;

/** Begins a session for a pair of these sizes; the host then sets the sources and writes the bytes. */
export function openEncoder(oldSize: u32, newSize: u32, sources: u32, asProfile: u32): void {
  release(0);
  profile = asProfile;
  openStreams();
  openSources(sources);
  oldLength = oldSize;
  newLength = newSize;
  oldBytes = alloc(<usize>(oldSize + 2 * MARGIN)) + MARGIN;
  newBytes = alloc(<usize>(newSize + 2 * MARGIN)) + MARGIN;
}

/** Where the host writes the old bytes. */
export function oldPointer(): usize {
  return oldBytes;
}

/** Where the host writes the new bytes. */
export function newPointer(): usize {
  return newBytes;
}

/** Finds the blocks; returns how many. */
export function align(): u32 {
  fresh = parsePair(oldBytes, oldLength, newBytes, newLength);
  const found = alignBlocks(oldBytes, oldLength, newBytes, newLength, fresh, MOST_PASSES);
  findHoles(fresh, newBytes);
  alloc(<usize>(holeCount + 1) * BLOCK_BYTES);
  const count = clipBlocks(alignedBlocks, found);
  setBlocks(alignedBlocks, count);
  fresh = segmentsOnly(fresh);
  return count;
}

/** Codes all that comes before the first section; see streams.ts for the outputs. */
export function encodeControl(): void {
  openPlain(profile === FAST);
  openCoding();
  openCosts();
  openOutputs(longestSection(), blockCount * 4);
  beginOutput();
  codeHead(fresh, newLength);
  endOutput();
  openPages();
  openModels(fresh);
}

function longestSection(): u32 {
  let longest: u32 = 0;
  for (let from: u32 = 0; from < newLength; ) {
    const to = sectionEnd(from);
    longest = max(longest, to - from);
    from = to;
  }
  return longest;
}

/** Where the section that begins at new offset `from` ends. */
export function sectionEnd(from: u32): u32 {
  return endOfSection(from, newLength);
}

/** Codes the section that begins at new offset `from`. */
export function encodeSection(from: u32): void {
  const end = sectionEnd(from);
  beginOutput();
  openOutput(newBytes, from);
  openSectionModels(from, end);
  continueSection(end);
  endOutput();
}

/** New bytes that no block covers, once they are aligned: what costs most to code. */
export function literalBytes(): u32 {
  let count = newLength;
  for (let i: u32 = 0; i < blockCount; i++) count -= blockAt(i).length;
  for (let i: u32 = 0; i < holeCount; i++) count -= holeAt(i).bytes;
  return count;
}
