// LZMA2: the stream in chunks, each with its sizes before it; at most 2 MiB of the bytes and 64 KiB coded
// (the .xz file format 1.0.4, "LZMA2"; XZ Embedded's xz_dec_lzma2.c says what the first byte means).

import { alloc, release } from '../memory';
import { LC, resetModels } from './model';
import { codeNext, openParse } from './parse';
import { coded, codedBytes, codedEnd, flushRange, openRange } from './range';
import { openPrices } from './prices';
import { openFinder, passSampled } from './finder';
import { noiseAhead, noiseBytes, openNoise } from './noise';
import { openSymbols, passBytes, place, resetState } from './symbols';
import { end, grow, LOOKAHEAD, MOST_FED, openWindow, origin, roomAt } from './window';

/** A chunk ends before it may become larger: one step of coding makes less than the rest. */
const MOST_CODED: u32 = (1 << 16) - 24576;
const MOST_BYTES: i32 = (1 << 21) - (1 << 16);
/** First bytes of chunks. */
const END: u8 = 0;
const PLAIN_FIRST: u8 = 1;
const PLAIN: u8 = 2;
const LZMA: u32 = 0x80;
const RESET_STATE: u32 = 1 << 5;
const RESET_MODELS: u32 = 2 << 5;
const RESET_ALL: u32 = 3 << 5;

/** Where the chunk begins. */
let from: i32 = 0;
/** What the next chunk resets, in the bits of its first byte. */
let resets: u32 = RESET_ALL;
let range: usize = 0;
let output: usize = 0;
let outputEnd: usize = 0;

/** Begins a stream; `dictionary` bytes are what its decoder holds. */
export function openLzma(dictionary: i32): void {
  release(0);
  openPrices();
  range = alloc(1 << 17);
  output = alloc(<usize>(MOST_FED + LOOKAHEAD) * 2 + (1 << 17));
  openWindow(dictionary);
  openFinder();
  openNoise();
  openSymbols();
  openParse();
  resetModels();
  resets = RESET_ALL;
  from = 0;
  openRange(range);
}

/** Where the host writes the next bytes, at most MOST_FED. */
export function lzmaInput(): usize {
  return roomAt(place);
}

/** Codes the bytes written, except for the last few if more follow; returns how many came out. */
export function codeLzma(bytes: i32, isLast: bool): u32 {
  grow(bytes);
  outputEnd = output;
  while (isLast ? place < end : end - place >= LOOKAHEAD) {
    const noise = noiseAhead(place);
    if (noise === place) {
      const plain = noiseBytes(place);
      if (plain > 0) {
        passPlain(plain);
        continue;
      }
    }
    codeNext(noise === place ? noiseAhead(place) : noise);
    if (codedBytes() >= MOST_CODED || place - from >= MOST_BYTES) endChunk();
  }
  if (isLast) {
    if (place > from) endChunk();
    store<u8>(outputEnd++, END);
  }
  return <u32>(outputEnd - output);
}

/** What came out. */
export function lzmaOutput(): usize {
  return output;
}

/** A chunk of bytes as they are; the models, which have not seen them, stay as they were. */
function passPlain(bytes: i32): void {
  if (place > from) endChunk();
  storePlain(<u32>bytes);
  passSampled(place, place + bytes);
  passBytes(bytes);
  from = place;
}

function storePlain(bytes: u32): void {
  store<u8>(outputEnd, resets === RESET_ALL ? PLAIN_FIRST : PLAIN);
  storeBig(outputEnd + 1, bytes - 1);
  append(3, origin + from, bytes);
  if (resets === RESET_ALL) resets = RESET_MODELS;
}

function endChunk(): void {
  const bytes = <u32>(place - from);
  flushRange();
  const size = <u32>(codedEnd - coded);
  if (size >= bytes) {
    storePlain(bytes);
    resets = max(resets, RESET_STATE);
    resetModels();
    resetState();
  } else {
    store<u8>(outputEnd, <u8>(LZMA | resets | ((bytes - 1) >> 16)));
    storeBig(outputEnd + 1, (bytes - 1) & 0xffff);
    storeBig(outputEnd + 3, size - 1);
    store<u8>(outputEnd + 5, <u8>LC);
    append(resets >= RESET_MODELS ? 6 : 5, coded, size);
    resets = 0;
  }
  from = place;
  openRange(range);
}

@inline
function storeBig(at: usize, value: u32): void {
  store<u16>(at, bswap<u16>(<u16>value));
}

function append(header: usize, bytes: usize, length: u32): void {
  memory.copy(outputEnd + header, bytes, <usize>length);
  outputEnd += header + length;
}
