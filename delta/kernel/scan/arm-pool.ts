// The literal pool words of one page whose value is added to the pc, with the instruction that adds.

import { isLoaded } from '../elf/image';
import { Kind } from '../refs/kinds';
import { emit } from './emit';
import { addressAt, begin, end, image, offsetAt } from './arm-region';

/** One more than a page's words: an instruction at its end may reach into the next. */
const WORDS: u32 = 1025;
/** For each word the adding instruction's address, plus one if it is Thumb; all ones: none. */
const adders: usize = memory.data(4100);
const NONE: u32 = 0xffffffff;

/** Address of the first word. */
let first: u32 = 0;

/** Begins the page whose first word has this address. */
export function openPool(address: u32): void {
  first = address;
  memory.fill(adders, 0xff, <usize>WORDS * 4);
}

/** The pc is this far ahead of an instruction. */
@inline
function leadOf(adder: u32): u32 {
  return adder & 1 ? 4 : 8;
}

/** True if the word is one of the page's and in the region, and no adder is known. */
export function isOpen(word: u32): bool {
  const index = (word - first) >> 2;
  if ((word & 3) !== 0 || index >= WORDS || load<u32>(slot(index)) !== NONE) return false;
  return end - begin >= 4 && word - addressAt(begin) <= <u32>(end - begin) - 4;
}

/** The instruction at address `adder` adds the word at address `word` to the pc. */
export function setAdder(word: u32, adder: u32, isThumb: bool): void {
  const marked = adder | (<u32>isThumb);
  const value = load<u32>(begin + <usize>(word - addressAt(begin)));
  if (isLoaded(image, value + adder + leadOf(marked)))
    store<u32>(slot((word - first) >> 2), marked);
}

/** True if the word at `at`, in the page or right after, is added to the pc. */
export function isPoolWord(at: usize): bool {
  const place = addressAt(at);
  const index = (place - first) >> 2;
  return (place & 3) === 0 && index < WORDS && load<u32>(slot(index)) !== NONE;
}

/** Emits the reference of such a word. */
export function emitPoolWord(at: usize): void {
  const marked = load<u32>(slot((addressAt(at) - first) >> 2));
  const adder = marked & ~1;
  const lead = leadOf(marked);
  emit(offsetAt(at), Kind.A32_LITERAL, lead, load<u32>(at) + adder + lead, adder);
}

@inline
function slot(index: u32): usize {
  return adders + ((<usize>index) << 2);
}
