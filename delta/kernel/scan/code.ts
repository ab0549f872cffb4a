import { Image, Machine, Section } from '../elf/image';
import { scanA64 } from './a64';
import { scanArm } from './arm-page';
import { scanRv64 } from './rv64';
import { scanX64 } from './x64';

/** Emits the references of a code section whose fields begin in [from, to); see elf/machines.ts. */
export function scanCode(image: Image, section: Section, from: u32, to: u32): void {
  if (image.machine === Machine.X64) scanX64(image, section, from, to);
  else if (image.machine === Machine.A64) scanA64(image, section, from, to);
  else if (image.machine === Machine.A32) scanArm(image, section, from, to);
  else if (image.machine === Machine.RV64) scanRv64(image, section, from, to);
}
