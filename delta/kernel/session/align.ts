// Matching in passes: as the files are, then once or twice with the references of both rewritten to what
// they mean in the new file, so that moved code is equal code.

import { isLeftOut, Step } from '../ablation';
import { Image, Machine } from '../elf/image';
import { BLOCK_BYTES } from '../map/block';
import { openMap } from '../map/map';
import { joinBlocks, matchBytes, matchedBlocks } from '../match/match';
import { mark, releaseBut } from '../memory';
import { FieldLog, normaliseNew, normaliseOld, swapFields } from '../scan/normalise';

/** Later passes where what applies the blocks knows references: each finds more code that has moved. */
export const MOST_PASSES: u32 = 2;

/** Where the blocks of the latest pair are: ascending by new place, not overlapping. */
export let alignedBlocks: usize = 0;

/**
 * Finds the blocks of a pair whose executables {@link parsePair} has parsed, `image` the new one, in a first pass and
 * `laterPasses`; returns how many. They are the last that is allocated.
 */
export function alignBlocks(
  old: usize,
  oldLength: u32,
  fresh: usize,
  newLength: u32,
  image: Image,
  laterPasses: u32,
): u32 {
  let codeFrom: u32 = 0;
  let codeTo: u32 = 0;
  for (let i: u32 = 0; i < image.segmentCount; i++) {
    const s = image.segment(i);
    if ((s.flags & 1) === 0 || s.fileBytes <= codeTo - codeFrom) continue;
    codeFrom = s.offset;
    codeTo = s.offset + s.fileBytes;
  }
  let count = matchBytes(old, oldLength, fresh, newLength, codeFrom, codeTo, 0, 0, true);
  let hints = matchedBlocks;
  const passes: u32 = isLeftOut(Step.REMATCH) ? 0 : laterPasses;
  for (let pass: u32 = 1; pass <= passes; pass++) {
    const base = mark();
    const isModelled = image.machine !== Machine.NONE;
    let oldLog = changetype<FieldLog>(0);
    let newLog = changetype<FieldLog>(0);
    if (isModelled) {
      openMap(hints, count, image);
      oldLog = normaliseOld();
      newLog = normaliseNew(fresh, newLength, image);
    }
    count = matchBytes(old, oldLength, fresh, newLength, codeFrom, codeTo, hints, count, false);
    if (pass === passes && !isLeftOut(Step.JOIN)) {
      count = joinBlocks(matchedBlocks, count, old, oldLength, fresh, newLength);
    }
    if (isModelled) {
      swapFields(newLog);
      swapFields(oldLog);
    }
    hints = base;
    releaseBut(base, matchedBlocks, <usize>count * BLOCK_BYTES);
  }
  alignedBlocks = hints;
  return count;
}
