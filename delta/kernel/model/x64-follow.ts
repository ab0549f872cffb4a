// Keeps the phase of x86-64 instructions at the place being coded.

import { Machine, Role } from '../elf/image';
import { imageOfOffset } from '../elf/images';
import { freshBase, sectionStart } from './output';
import { resetPhase, stepPhase } from './x64-phase';

/** Bytes that bring the phase into step. */
const LEAD: u32 = 64;
const NOWHERE: u32 = 0xffffffff;

/** New place that the phase stands at. */
let phaseAt: u32 = NOWHERE;

/** The bytes before are others now. */
export function forgetPhase(): void {
  phaseAt = NOWHERE;
}

/** Brings the phase to new place `n`, over bytes already made. */
export function syncPhase(n: u32): void {
  if (phaseAt === n) return;
  let from = n - min(LEAD, n - sectionStart);
  if (phaseAt > from && phaseAt < n) from = phaseAt;
  else resetPhase();
  for (; from < n; from++) stepPhase(load<u8>(freshBase + <usize>from));
  phaseAt = n;
}

/** The byte at the phase's place is `byte`. */
@inline
export function advancePhase(byte: u32): void {
  stepPhase(byte);
  phaseAt++;
}

/** True if the old byte at `old` lies in x86-64 code. */
export function isX64Code(old: u32): bool {
  const image = imageOfOffset(old);
  if (image === null || image.machine !== Machine.X64) return false;
  for (let i: u32 = 0; i < image.sectionCount; i++) {
    const section = image.section(i);
    if (old - section.offset < section.bytes) return section.role === Role.CODE;
  }
  return false;
}
