// Building: which ranges of the new file are left to a model of their own, and the blocks without them.

import { isLeftOut, Step } from '../ablation';
import { Image, Role, Section } from '../elf/image';
import { imageAt, imageCount } from '../elf/images';
import { BLOCK_BYTES, Block } from '../map/block';
import { addHole, holeAt, holeCount, HoleKind } from '../model/holes';
import { ehTableUsable } from '../model/eh-frame-hdr';
import { ehUsable } from '../model/eh-usable';

/** What is left of a block beside a hole is kept from this length on. */
const MIN_REST: u32 = 12;

/** Finds the holes; `full` is the new file with its sections, its bytes are at `newBytes`. */
export function findHoles(full: Image, newBytes: usize): void {
  if (imageCount === 0 || isLeftOut(Step.EH_FRAME)) return;
  const old = imageAt(0);
  const ehOld = sectionOf(old, Role.EH_FRAME);
  const ehNew = sectionOf(full, Role.EH_FRAME);
  if (ehOld === null || ehNew === null) return;
  if (!ehUsable(old, ehOld.offset, ehOld.bytes, full, ehNew.offset, ehNew.bytes, newBytes)) return;
  addTable(old, full, ehNew, newBytes);
  addHole(ehNew.offset, ehNew.bytes, ehOld.offset, ehOld.bytes, HoleKind.EH_FRAME);
}

/** The table right before the records, if it follows from them. */
function addTable(old: Image, full: Image, records: Section, newBytes: usize): void {
  const from = sectionOf(old, Role.EH_FRAME_HDR);
  const table = sectionOf(full, Role.EH_FRAME_HDR);
  if (from === null || table === null || table.offset >= records.offset) return;
  const bytes = records.offset - table.offset;
  if (!ehTableUsable(full, table.offset, bytes, records.bytes, newBytes)) return;
  addHole(table.offset, bytes, from.offset, from.bytes, HoleKind.EH_FRAME_HDR);
}

function sectionOf(image: Image, role: u32): Section | null {
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    if (image.section(i).role === role) return image.section(i);
  }
  return null;
}

/**
 * Cuts the holes out of blocks that ascend by new offset, in place; returns how many are left. There must
 * be room for one more block for each hole.
 */
export function clipBlocks(blocks: usize, count: u32): u32 {
  for (let i: u32 = 0; i < holeCount; i++) {
    const hole = holeAt(i);
    count = clip(blocks, count, hole.fresh, hole.fresh + hole.bytes);
  }
  return count;
}

function clip(blocks: usize, count: u32, from: u32, to: u32): u32 {
  memory.copy(blocks + BLOCK_BYTES, blocks, <usize>count * BLOCK_BYTES);
  let kept: u32 = 0;
  for (let i: u32 = 1; i <= count; i++) {
    const source = changetype<Block>(blocks + <usize>i * BLOCK_BYTES);
    const fresh = source.fresh;
    const old = source.old;
    const length = source.length;
    const end = fresh + length;
    if (end <= from || fresh >= to) {
      put(blocks, kept++, fresh, old, length);
      continue;
    }
    if (fresh < from && from - fresh >= MIN_REST) put(blocks, kept++, fresh, old, from - fresh);
    if (end > to && end - to >= MIN_REST) put(blocks, kept++, to, old + (to - fresh), end - to);
  }
  return kept;
}

function put(blocks: usize, index: u32, fresh: u32, old: u32, length: u32): void {
  const block = changetype<Block>(blocks + <usize>index * BLOCK_BYTES);
  block.fresh = fresh;
  block.old = old;
  block.length = length;
}
