import { Machine } from './image';

/** The machine of `e_machine` and the file's class; to add one, see also scan/code.ts. */
export function machineOf(number: u32, is64: bool): u32 {
  if (number === 62) return is64 ? Machine.X64 : Machine.NONE;
  if (number === 183) return is64 ? Machine.A64 : Machine.NONE;
  if (number === 243) return is64 ? Machine.RV64 : Machine.NONE;
  if (number === 40) return is64 ? Machine.NONE : Machine.A32;
  return Machine.NONE;
}
