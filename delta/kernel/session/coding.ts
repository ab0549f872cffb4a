// Where coded bytes go to and come from: one arithmetic-coded stream, or the fast profile's four.

import { closeEncoding, isUsedUp, openDecoding, openEncoding } from '../code/arith';
import { isPlain, plainBytes, plainLeft, plainStart, setPlain, Stream, STREAMS } from '../code/plain';
import { alloc } from '../memory';
import { outputBytes, outputPointer, outputStreams, setOutput } from './streams';

/** No coder's output is longer than this for so many bytes of new ones, or numbers of control. */
const ROOM_FACTOR: usize = 2;
const ROOM_MORE: usize = 1 << 20;

let room: usize = 0;
let numbers: usize = 0;
let gaps: usize = 0;
let values: usize = 0;
let literals: usize = 0;
let longest: u32 = 0;

/** Allocates for sections of up to `bytes` new bytes and control of `control` numbers. */
export function openOutputs(bytes: u32, control: u32): void {
  longest = bytes;
  room = max(<usize>bytes * ROOM_FACTOR, <usize>control * 5) + ROOM_MORE;
  numbers = alloc(room);
  if (!isPlain) return;
  gaps = alloc(<usize>bytes + ROOM_MORE);
  values = alloc(<usize>bytes);
  literals = alloc(<usize>bytes);
}

/** Begins to write. */
export function beginOutput(): void {
  openEncoding(numbers, <u32>room);
  if (!isPlain) return;
  setPlain(Stream.NUMBERS, numbers, <u32>room);
  setPlain(Stream.GAPS, gaps, longest + <u32>ROOM_MORE);
  setPlain(Stream.VALUES, values, longest);
  setPlain(Stream.LITERALS, literals, longest);
}

/** Ends writing: the streams are outputs. */
export function endOutput(): void {
  if (!isPlain) return setOutput(0, numbers, <u32>(closeEncoding() - numbers));
  for (let i: u32 = 0; i < STREAMS; i++) setOutput(i, plainStart(i), plainBytes(i));
}

/** Begins to read what the host has put in; streams that it left out are empty. */
export function beginInput(): void {
  openDecoding(outputPointer(0), outputBytes(0));
  if (!isPlain) return;
  for (let i: u32 = 0; i < STREAMS; i++) {
    const isThere = i < outputStreams();
    setPlain(i, isThere ? outputPointer(i) : 0, isThere ? outputBytes(i) : 0);
  }
}

/** True if everything that was put in was needed. */
export function isInputUsed(): bool {
  if (!isPlain) return isUsedUp();
  for (let i: u32 = 0; i < STREAMS; i++) if (plainLeft(i) !== 0) return false;
  return true;
}
