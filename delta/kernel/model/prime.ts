// Before a section's first literal, the literal model reads some old code: it has little time to learn.

import { isLeftOut, Step } from '../ablation';
import { isPlain } from '../code/plain';
import { Role } from '../elf/image';
import { imageAt, imageCount } from '../elf/images';
import { alloc } from '../memory';
import { readOld } from '../old';
import { trainLiterals } from './literals';

/** Bytes read at a place. */
const SAMPLE: u32 = 1024;
const MAX_SAMPLES: u32 = 32;
/** One sample for so many literals of the section. */
const LITERALS_PER_SAMPLE: u32 = 64;
const MIN_CODE: u32 = 4096;

let buffer: usize = 0;

export function openPriming(): void {
  buffer = alloc(<usize>SAMPLE);
}

/** Trains on samples spread evenly over the first image's code; `literals` is how many will follow. */
export function primeLiterals(literals: u32): void {
  if (imageCount === 0 || isPlain || isLeftOut(Step.PRIMING)) return;
  const image = imageAt(0);
  let code: u32 = 0;
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    if (image.section(i).role === Role.CODE) code += image.section(i).bytes;
  }
  if (code < MIN_CODE) return;
  const samples = min(MAX_SAMPLES, literals / LITERALS_PER_SAMPLE);
  for (let n: u32 = 0; n < samples; n++) {
    let place = <u32>((<u64>code * n) / samples) & ~3;
    for (let i: u32 = 0; i < image.sectionCount; i++) {
      const s = image.section(i);
      if (s.role !== Role.CODE) continue;
      if (place < s.bytes) {
        const length = min(SAMPLE, s.bytes - place);
        trainLiterals(readOld(s.offset + place, length, buffer), length, s.offset + place);
        break;
      }
      place -= s.bytes;
    }
  }
}
