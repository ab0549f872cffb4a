// The two files of a pair in memory, as executables.

import { isLeftOut, Step } from '../ablation';
import { Image, Machine } from '../elf/image';
import { imageCount } from '../elf/images';
import { parseImage } from '../elf/parse';
import { newImage } from '../elf/segments';
import { openHoles } from '../model/holes';
import { openOld } from '../old';
import { openScan } from '../scan/emit';
import { openSettle } from '../scan/settle';
import { parseSources, sourceMachine } from './sources';

/** Parses the sources and the new file, which is returned: of no machine unless theirs is the same. */
export function parsePair(old: usize, oldLength: u32, fresh: usize, newLength: u32): Image {
  openScan();
  openSettle();
  openHoles();
  openOld(newLength, fresh);
  const image = parseImage(0, newLength, 0);
  openOld(oldLength, old);
  parseSources();
  const isPlainFile = imageCount === 0 || isLeftOut(Step.REFERENCES);
  const isOther = isPlainFile || image.machine !== sourceMachine();
  return isOther ? newImage(Machine.NONE, 0, newLength, 0) : image;
}
