// The new .eh_frame_hdr, which follows from the new .eh_frame (CODING.md, "Table of functions").

import { Bytes } from './bytes.ts';
import type { EhFrame } from './eh-frame.ts';
import { check, u32 } from './word.ts';

const ENCODINGS = 0x3b031b01;
const HEAD_BYTES = 12;
const MAX_ENTRIES = 131072;
const MAX_PADDING = 64;

/** The `bytes` bytes at `address`, right before the frame. */
export function makeEhTable(frame: EhFrame, address: number | undefined, bytes: number): Bytes {
  const { functions } = frame;
  const end = HEAD_BYTES + 8 * functions.length;
  check(address !== undefined, '.eh_frame_hdr is not loaded');
  check(functions.length <= MAX_ENTRIES, 'too many functions');
  check(end <= bytes && bytes - end <= MAX_PADDING, 'size of the table');
  const table = new Bytes(new Uint8Array(bytes));
  table.setU32(0, ENCODINGS);
  table.setU32(4, u32(frame.address - (address + 4)));
  table.setU32(8, functions.length);
  const entries = functions
    .map(({ start, record }) => ({ start: (start - address) | 0, record: u32(record - address) }))
    .sort((a, b) => a.start - b.start || a.record - b.record);
  entries.forEach(({ start, record }, i) => {
    table.setU32(HEAD_BYTES + 8 * i, u32(start));
    table.setU32(HEAD_BYTES + 8 * i + 4, record);
  });
  return table;
}
