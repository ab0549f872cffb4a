import { buildElf, CODE, LOADED, type Elf } from '../../../bench/fuzz/elf-builder.ts';
import { type Matched } from './eh-session.ts';

/** A function: `steps` are the bytes before each change of its frame. */
export interface Fn {
  readonly id: number;
  readonly bytes: number;
  readonly steps: readonly number[];
  readonly hasData: boolean;
}

export interface Sample {
  readonly elf: Elf;
  readonly frameBytes: number;
  /** Where each function lies in the file, by id. */
  readonly starts: ReadonlyMap<number, number>;
}

/** What to spoil in a sample. */
export interface Flaws {
  /** DW_EH_PE of first addresses, instead of pc-relative. */
  readonly encoding?: number;
  readonly factor?: number;
  /** Bytes of no operation at the end of the first record. */
  readonly padding?: number;
  readonly tableOrder?: 'ascending' | 'descending';
  /** Functions that the table has no room for. */
  readonly missing?: number;
  /** Records stand in the order of this key of the functions' ids, not as the functions lie. */
  readonly recordOrder?: (id: number) => number;
}

const ALIGN = 16;
/** Of CIEs without and with language-specific data. */
const PLAIN_CIE = [1, 0x7a, 0x52, 0, 1, 0x78, 16, 1, 0x1b, 0x0c, 7, 8, 0x90, 1, 0, 0];
const DATA_CIE = [
  1, 0x7a, 0x50, 0x4c, 0x52, 0, 1, 0x78, 16, 7, 0x9b, 1, 2, 3, 4, 0x1b, 0x1b, 0x0c,
].concat([7, 8, 0x90, 1, 0, 0]);

const even = (bytes: number) => (bytes + 7) & ~7;

function program(fn: Fn): number[] {
  let depth = 8;
  return fn.steps.flatMap((step) => {
    depth += 8;
    return [...(step < 64 ? [0x40 | step] : [0x02, step & 255]), 0x0e, depth & 127];
  });
}

function recordBytes(fn: Fn, padding: number): number {
  return even(17 + (fn.hasData ? 4 : 0) + program(fn).length) + padding;
}

/** An executable whose only functions are `functions`, in this order. */
export function sampleOf(functions: readonly Fn[], flaws: Flaws = {}): Sample {
  const entries = functions.length - (flaws.missing ?? 0);
  let end = 0;
  const offsets = functions.map((fn) => {
    const at = end;
    end = (end + fn.bytes + ALIGN - 1) & ~(ALIGN - 1);
    return at;
  });
  const first = 8 + PLAIN_CIE.length;
  const frameStart = first + 8 + DATA_CIE.length;
  const padding = (i: number) => (i === 0 ? (flaws.padding ?? 0) : 0);
  const frameBytes = functions.reduce(
    (sum, fn, i) => sum + recordBytes(fn, padding(i)),
    frameStart + 4,
  );
  const elf = buildElf({
    is64: true,
    machine: 62,
    lowest: 0x400000,
    sections: [
      { name: '.text', bytes: Math.max(end, ALIGN), flags: LOADED | CODE },
      { name: '.gcc_except_table', bytes: 64 },
      { name: '.eh_frame_hdr', bytes: 12 + 8 * entries },
      { name: '.eh_frame', bytes: frameBytes },
    ],
  });
  const { places } = elf;
  const frame = places.offset('.eh_frame');
  const view = new DataView(elf.bytes.buffer);
  const table: [start: number, record: number][] = [];
  writeCie(view, frame, [...PLAIN_CIE], 4, 8, flaws);
  writeCie(view, frame + first, [...DATA_CIE], 6, 15, flaws);
  let at = frame + frameStart;
  const key = flaws.recordOrder ?? (() => 0);
  const records = functions.map((fn, i) => ({ fn, i }));
  records.sort((a, b) => key(a.fn.id) - key(b.fn.id));
  for (const { fn, i } of records) {
    const bytes = recordBytes(fn, padding(i));
    const start = places.offset('.text') + (offsets[i] ?? 0);
    view.setUint32(at, bytes - 4, true);
    view.setUint32(at + 4, at + 4 - (fn.hasData ? frame + first : frame), true);
    view.setInt32(at + 8, start - (at + 8), true);
    view.setUint32(at + 12, fn.bytes, true);
    view.setUint8(at + 16, fn.hasData ? 4 : 0);
    const data = places.offset('.gcc_except_table') + (fn.id % 16) * 4;
    if (fn.hasData) view.setInt32(at + 17, data - (at + 17), true);
    elf.bytes.set(program(fn), at + (fn.hasData ? 21 : 17));
    table.push([start, at]);
    at += bytes;
  }
  table.sort(([a], [b]) => (flaws.tableOrder === 'descending' ? b - a : a - b));
  writeTable(view, places.offset('.eh_frame_hdr'), frame, table.slice(0, entries));
  const starts = functions.map(
    (fn, i) => [fn.id, places.offset('.text') + (offsets[i] ?? 0)] as const,
  );
  return { elf, frameBytes, starts: new Map(starts) };
}

function writeCie(
  view: DataView,
  at: number,
  body: number[],
  factorAt: number,
  encodingAt: number,
  flaws: Flaws,
): void {
  body[factorAt] = flaws.factor ?? 1;
  body[encodingAt] = flaws.encoding ?? 0x1b;
  view.setUint32(at, body.length + 4, true);
  new Uint8Array(view.buffer, at + 8, body.length).set(body);
}

function writeTable(
  view: DataView,
  at: number,
  frame: number,
  table: readonly [start: number, record: number][],
): void {
  view.setUint32(at, 0x3b031b01, true);
  view.setInt32(at + 4, frame - (at + 4), true);
  view.setUint32(at + 8, table.length, true);
  table.forEach(([start, record], i) => {
    view.setInt32(at + 12 + 8 * i, start - at, true);
    view.setInt32(at + 16 + 8 * i, record - at, true);
  });
}

/** The functions that two samples have in common, each as one block; exception data too. */
export function blocksOf(old: Sample, fresh: Sample, functions: readonly Fn[]): Matched[] {
  const blocks: Matched[] = [];
  for (const fn of functions) {
    const from = old.starts.get(fn.id);
    const to = fresh.starts.get(fn.id);
    if (from !== undefined && to !== undefined)
      blocks.push({ fresh: to, old: from, length: fn.bytes });
  }
  const data = [fresh, old].map((sample) => sample.elf.places.offset('.gcc_except_table'));
  blocks.push({ fresh: data[0] ?? 0, old: data[1] ?? 0, length: 64 });
  return blocks.sort((a, b) => a.fresh - b.fresh);
}
