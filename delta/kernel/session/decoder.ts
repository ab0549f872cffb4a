// Applying: control first, then any section, in pieces.

import { closeCosts } from '../code/cost';
import { openPlain } from '../code/plain';
import { Image, Machine } from '../elf/image';
import { newImage } from '../elf/segments';
import { fail, Fault } from '../fail';
import { alloc, release } from '../memory';
import { openHoles } from '../model/holes';
import { HISTORY, moveOutput, openOutput } from '../model/output';
import { continueSection, endOfSection, openSectionModels } from '../model/section';
import { openOld } from '../old';
import { openScan } from '../scan/emit';
import { openSettle } from '../scan/settle';
import { openPages } from '../scan/pages';
import { codeHead, FAST, openCoding, openModels } from './models';
import { beginInput, isInputUsed } from './coding';
import { openSources, parseSources } from './sources';
import { keepInputs, openStreams, setOutput } from './streams';

const PIECE: u32 = 131072;
/** A step of a model may go past its limit by this much, with bytes that it made or will. */
const SLACK: u32 = 8192;

let newSize: u32 = 0;
let fresh: Image = changetype<Image>(0);
let buffer: usize = 0;
/** New offset of the buffer's first byte, of the next byte to give out, and the section's end. */
let bufferStart: u32 = 0;
let given: u32 = 0;
let end: u32 = 0;

/** Begins a session for a pair of these sizes; the host then sets the sources. */
export function openDecoder(oldBytes: u32, newBytes: u32, sources: u32, profile: u32): void {
  release(0);
  openPlain(profile === FAST);
  openStreams();
  openOld(oldBytes, 0);
  openSources(sources);
  newSize = newBytes;
  buffer = alloc(<usize>(HISTORY + PIECE + 2 * SLACK));
  fresh = newImage(Machine.NONE, 0, newBytes, 0);
  closeCosts();
  openCoding();
}

/** Reads the control stream, which is the input. */
export function decodeControl(): void {
  beginInput();
  openScan();
  openSettle();
  openHoles();
  parseSources();
  openPages();
  codeHead(fresh, newSize);
  if (!isInputUsed()) fail(Fault.BAD_FORMAT, 0);
  openModels(fresh);
  keepInputs();
}

/**
 * Begins the section at new offset `from`, whose coded bytes are the input; returns its end. Refuses a
 * place where none begins.
 */
export function openSection(from: u32): u32 {
  if (from >= newSize) fail(Fault.BAD_FORMAT, from);
  let start: u32 = 0;
  while (start < from) start = endOfSection(start, newSize);
  if (start !== from) fail(Fault.BAD_FORMAT, from);
  end = endOfSection(from, newSize);
  beginInput();
  bufferStart = given = from;
  openOutput(buffer - <usize>from, from);
  openSectionModels(from, end);
  return end;
}

/** Makes some more new bytes, output 0; returns how many, 0 at the section's end. */
export function decodeSection(): u32 {
  if (given === end) {
    if (!isInputUsed()) fail(Fault.BAD_FORMAT, end);
    return 0;
  }
  if (given - bufferStart > HISTORY) {
    memory.copy(buffer, buffer + <usize>(given - bufferStart - HISTORY), HISTORY + SLACK);
    bufferStart = given - HISTORY;
    moveOutput(buffer - <usize>bufferStart);
  }
  const to = continueSection(given + PIECE);
  const bytes = to - given;
  setOutput(0, buffer + <usize>(given - bufferStart), bytes);
  given = to;
  return bytes;
}
