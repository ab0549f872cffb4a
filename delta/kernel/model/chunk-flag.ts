// Whether a chunk of a block differs from the predicted bytes.

import { Cost, countAs } from '../code/cost';
import { hash } from '../code/hash';
import { Mixer, newMixer } from '../code/mixer';
import { bits, sureClass } from './classes';
import { freshBase } from './output';
import { CHUNK, kinds, predicted, risk, sureness } from './window';

let chunks: Mixer = changetype<Mixer>(0);
let chunkHistory: u32 = 0;

export function openChunkFlags(): void {
  chunks = newMixer(12, 16, 4, 32, 64, 0, 4, 1024, 120);
}

export function resetChunkFlags(): void {
  chunks.reset();
  chunkHistory = 0;
}

/**
 * Codes whether the `length` new bytes at `fresh`, `from` bytes into a block of `blockLength` and in old
 * section `section`, are others than the window's. The last byte that was wrong is `distance` bytes
 * before, of blocks; `gap1` and `gap2` are classes of the gaps before it.
 */
export function codeChunkFlag(
  fresh: u32,
  length: u32,
  from: u32,
  blockLength: u32,
  section: u32,
  distance: u32,
  gap1: u32,
  gap2: u32,
): u32 {
  let differs: u32 = 0;
  let kindSet: u32 = 0;
  let worst: u32 = 0;
  let fields: u32 = 0;
  for (let i: usize = 0; i < <usize>length; i++) {
    const at = <usize>CHUNK + i;
    if (load<u8>(freshBase + <usize>fresh + i) !== load<u8>(predicted + at)) differs = 1;
    const kind = <u32>load<u8>(kinds + at);
    if (kind === 0) continue;
    kindSet |= 1 << ((kind >>> 3) & 15);
    worst = max(worst, sureClass(load<u8>(sureness + at)));
    fields++;
  }
  const since = min(bits(distance), 20);
  const depth = min(bits(from), 10);
  const rest = min(bits(blockLength - from), 12);
  const h = chunkHistory;
  chunks.setHash(0, hash(1, h & 0xff));
  chunks.setHash(1, hash(2, h & 0xffff, kindSet !== 0 ? 1 : 0));
  chunks.setHash(2, hash(3, since, h & 3, section));
  chunks.setHash(3, hash(4, kindSet, h & 3, worst));
  chunks.setHash(4, hash(5, since, kindSet));
  chunks.setHash(5, hash(6, gap1, gap2, since));
  chunks.setHash(6, hash(7, worst, section, h & 1));
  chunks.setHash(7, hash(8, depth, rest, h & 3));
  chunks.setHash(8, hash(9, worst, since, fields));
  const danger = risk === 0 ? 0 : bits(risk >> 2);
  chunks.setHash(9, hash(10, danger, h & 1));
  chunks.setHash(10, hash(11, danger, since, kindSet));
  chunks.setHash(11, hash(12, danger, h & 7, section));
  countAs(Cost.CHUNKS, section);
  differs = chunks.code(
    differs,
    0,
    (h & 1) + 2 * (kindSet !== 0 ? 1 : 0),
    danger,
    min(section, 63),
    0,
    h & 3,
    danger * 8 + (h & 7),
    since * 32 + min(section, 31),
  );
  chunkHistory = h * 2 + differs;
  return differs;
}
