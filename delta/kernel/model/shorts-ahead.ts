// Short fields of a block as predictions: of the old and the mapped value the likelier is taken, the
// other one told to the models.

import { Image } from '../elf/image';
import { Block } from '../map/block';
import { alloc } from '../memory';
import { openArmMode } from '../scan/arm-mode';
import { freshBase } from './output';
import {
  findShorts,
  MARGIN,
  occupied,
  openShorts,
  Short,
  SHORT_BYTES,
  shortCount,
  shorts,
} from './shorts';
import { CHUNK, kinds, other, predicted, sureness } from './window';

/** Kinds of reference are below; see window.ts. */
const FIRST_KIND: u32 = 22;
const GROUPS: u32 = 4;
const RATE: u32 = 5;
const FIRST_TRUST: u16 = 40000;
/** Confidences of short fields begin here; by how often the mapped value was right. */
const CONFIDENCE: u32 = 50;
const MAX_WAITING: u32 = 48;

let fresh: Image = changetype<Image>(0);
/** u16 for each group: how often the mapped value rather than the old one was right. */
let trust: usize = 0;
/** Fields whose new bytes are not all known yet. */
let waiting: usize = 0;
let waitingCount: u32 = 0;

export function openShortFields(image: Image): void {
  fresh = image;
  openShorts();
  trust = alloc(GROUPS * 2);
  waiting = alloc(<usize>MAX_WAITING * SHORT_BYTES);
}

export function resetShortFields(): void {
  openArmMode();
  for (let i: usize = 0; i < <usize>GROUPS; i++) store<u16>(trust + (i << 1), FIRST_TRUST);
}

export function openBlockShorts(): void {
  waitingCount = 0;
}

/** Predicts into the window the fields of `block` that begin at [from, to), the window's chunk. */
export function predictShorts(block: Block, image: Image, from: u32, to: u32): void {
  for (let i: u32 = 0; i < to - from + 2 * MARGIN; i++) {
    const isTaken = load<u8>(kinds + <usize>(CHUNK - MARGIN + i)) !== 0;
    store<u8>(occupied + <usize>i, isTaken ? 1 : 0);
  }
  findShorts(block, image, fresh, from, to);
  for (let n: u32 = 0; n < shortCount; n++) {
    const short = changetype<Short>(shorts + <usize>n * SHORT_BYTES);
    place(short, CHUNK + short.position - from);
    if (waitingCount === MAX_WAITING) continue;
    const to = waiting + <usize>waitingCount * SHORT_BYTES;
    memory.copy(to, changetype<usize>(short), SHORT_BYTES);
    waitingCount++;
  }
}

function place(short: Short, index: u32): void {
  const right = <u32>load<u16>(trust + (<usize>short.group << 1));
  const isMapped = right >= 32768;
  const first = isMapped ? short.mapped : short.old;
  const second = isMapped ? short.old : short.mapped;
  const sure = CONFIDENCE + (right < 50000 ? 1 : 0) + (right < 60000 ? 2 : 0);
  for (let i: u32 = 0; i < <u32>short.width; i++) {
    const at = <usize>(index + i);
    store<u8>(predicted + at, <u8>(first >>> (8 * i)));
    store<u8>(other + at, <u8>(second >>> (8 * i)));
    store<u8>(kinds + at, <u8>((FIRST_KIND + <u32>short.group) * 8 + i));
    store<u8>(sureness + at, <u8>sure);
  }
}

/** Learns from the fields of the block at new offset `start` that end at or before `to`. */
export function learnShorts(start: u32, to: u32): void {
  let kept: u32 = 0;
  for (let n: u32 = 0; n < waitingCount; n++) {
    const short = changetype<Short>(waiting + <usize>n * SHORT_BYTES);
    if (short.position + short.width > to) {
      if (kept !== n) {
        memory.copy(
          waiting + <usize>kept * SHORT_BYTES,
          changetype<usize>(short),
          SHORT_BYTES,
        );
      }
      kept++;
      continue;
    }
    let isMapped = true;
    let isOld = true;
    for (let i: u32 = 0; i < <u32>short.width; i++) {
      const byte = load<u8>(freshBase + <usize>(start + short.position + i));
      if (byte !== <u8>(short.mapped >>> (8 * i))) isMapped = false;
      if (byte !== <u8>(short.old >>> (8 * i))) isOld = false;
    }
    const at = trust + (<usize>short.group << 1);
    const known = <u32>load<u16>(at);
    if (isMapped) store<u16>(at, <u16>(known + ((65535 - known) >>> RATE)));
    else if (isOld) store<u16>(at, <u16>(known - (known >>> RATE)));
  }
  waitingCount = kept;
}
