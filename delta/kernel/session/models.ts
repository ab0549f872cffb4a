// What encoder and decoder share: the models in the order of opening, and the control stream.

import { codeNumber, openNumbers } from '../code/numbers';
import { openSlots } from '../code/slots';
import { openSquash } from '../code/squash';
import { Image, Machine } from '../elf/image';
import { openTargets } from '../learn/targets';
import { openMap } from '../map/map';
import { openBlocks } from '../model/block';
import { blockCount, blocks, codeControl } from '../model/control';
import { openEhFrame } from '../model/eh-frame';
import { openFields } from '../model/fields-ahead';
import { codeHoles, codeSegments } from '../model/header';
import { openHoleUnits } from '../model/hole-units';
import { openLiterals } from '../model/literals';
import { openOldView } from '../model/old-view';
import { openPriming } from '../model/prime';
import { openResidual } from '../model/residual';
import { openShortFields } from '../model/shorts-ahead';
import { openWindow } from '../model/window';
import { openX64Field } from '../model/x64-field';
import { openX64Targets } from '../model/x64-targets';
import { oldSize } from '../old';
import { firstImage, sourceMachine } from './sources';

const HAS_MODEL: u32 = 6;
/** The profile without mixing; 0 is the small one. */
export const FAST: u32 = 1;

export function openCoding(): void {
  openSquash();
  openSlots();
  openNumbers();
}

/** Codes everything that comes before the first section. `fresh` is filled when applying. */
export function codeHead(fresh: Image, newSize: u32): void {
  const machine = codeNumber(fresh.machine, HAS_MODEL, 0, 0, 0);
  fresh.machine = machine === sourceMachine() ? machine : Machine.NONE;
  if (fresh.machine !== Machine.NONE) {
    fresh.is64 = firstImage().is64;
    codeSegments(fresh, firstImage());
  }
  codeHoles(newSize, oldSize);
  codeControl(isWordy(fresh.machine), newSize, oldSize);
}

/** Opens what codes sections, once the blocks are known. */
export function openModels(fresh: Image): void {
  openMap(blocks, blockCount, fresh);
  openTargets();
  openWindow();
  openFields(fresh);
  openBlocks();
  openShortFields(fresh);
  openOldView(fresh);
  openResidual(fresh.machine);
  openLiterals(fresh.machine);
  openX64Field(fresh);
  openX64Targets();
  openPriming();
  openEhFrame();
  openHoleUnits(fresh);
}

function isWordy(machine: u32): bool {
  return machine === Machine.A64 || machine === Machine.A32;
}
