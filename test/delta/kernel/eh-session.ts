import { compileKernel, startKernel, type StartedKernel } from './compile.ts';
import { type Elf } from '../../../bench/fuzz/elf-builder.ts';

const ENTRY = `
import { closeEncoding, isUsedUp, openDecoding, openEncoding } from 'kernel/code/arith';
import { openSlots } from 'kernel/code/slots';
import { openSquash } from 'kernel/code/squash';
import { Image } from 'kernel/elf/image';
import { addImage, openImages } from 'kernel/elf/images';
import { parseImage } from 'kernel/elf/parse';
import { openTargets, resetTargets } from 'kernel/learn/targets';
import { openMap } from 'kernel/map/map';
import { alloc } from 'kernel/memory';
import { beginEhFrame, codeEhRecord, ehRecord, openEhFrame } from 'kernel/model/eh-frame';
import { decodeEhTable, ehTableUsable } from 'kernel/model/eh-frame-hdr';
import { ehUsable } from 'kernel/model/eh-usable';
import { openOld } from 'kernel/old';
import { openScan } from 'kernel/scan/emit';
export { alloc };
let old: Image = changetype<Image>(0);
let image: Image = changetype<Image>(0);
let fresh: usize = 0;
export function open(oldAt: usize, oldBytes: u32, newAt: usize, newBytes: u32): void {
  openSquash();
  openSlots();
  openScan();
  openImages();
  fresh = newAt;
  openOld(newBytes, newAt);
  image = parseImage(0, newBytes, 0);
  openOld(oldBytes, oldAt);
  old = parseImage(0, oldBytes, 0);
  addImage(old);
}
export function frameUsable(from: u32, bytes: u32, to: u32, newBytes: u32): bool {
  return ehUsable(old, from, bytes, image, to, newBytes, fresh);
}
export function tableUsable(table: u32, to: u32, newBytes: u32): bool {
  return ehTableUsable(image, table, to - table, newBytes, fresh);
}
export function openModel(blocks: usize, count: u32): void {
  openMap(blocks, count, image);
  openTargets();
  resetTargets();
  openEhFrame();
}
export function encode(from: u32, bytes: u32, to: u32, newBytes: u32, output: usize, room: u32): u32 {
  openEncoding(output, room);
  beginEhFrame(old, from, bytes, image, to, newBytes, fresh + to);
  for (let at: u32 = 0; at < newBytes; ) at += codeEhRecord();
  return <u32>(closeEncoding() - output);
}
/** Makes table and frame at output; returns the bytes made, 0 if coded bytes are left over. */
export function decode(
  from: u32, bytes: u32, table: u32, to: u32, newBytes: u32,
  oldBytes: u32, coded: usize, length: u32, output: usize,
): u32 {
  openOld(oldBytes, 0);
  openDecoding(coded, length);
  beginEhFrame(old, from, bytes, image, to, newBytes, 0);
  if (table < to) memory.copy(output, decodeEhTable(image, table, to - table, newBytes), to - table);
  let at: u32 = 0;
  while (at < newBytes) {
    const size = codeEhRecord();
    memory.copy(output + (to - table) + at, ehRecord, size);
    at += size;
  }
  return isUsedUp() ? to - table + at : 0;
}
`;

const CALLS = ['open', 'frameUsable', 'tableUsable', 'openModel', 'encode', 'decode'] as const;

/** `length` new bytes from `fresh` resemble those from `old`. */
export interface Matched {
  readonly fresh: number;
  readonly old: number;
  readonly length: number;
}

let compiled: WebAssembly.Module | undefined;

/** The .eh_frame of a pair of files. */
export class EhSession {
  readonly #kernel: StartedKernel<(typeof CALLS)[number] | 'alloc'>;
  readonly #old: Elf;
  readonly #sections: readonly [number, number, number, number];
  readonly #table: number;

  constructor(old: Elf, fresh: Elf, oldBytes: number, freshBytes: number) {
    compiled ??= compileKernel(ENTRY);
    this.#kernel = startKernel(compiled, CALLS, { old: old.bytes });
    this.#old = old;
    const places: [Elf, number][] = [
      [old, oldBytes],
      [fresh, freshBytes],
    ];
    const [from = 0, to = 0] = places.map(([elf]) => elf.places.offset('.eh_frame'));
    this.#sections = [from, oldBytes, to, freshBytes];
    this.#table = fresh.places.offset('.eh_frame_hdr');
    const [oldAt = 0, newAt = 0] = places.map(([elf]) => this.#kernel.put(elf.bytes, 64));
    this.#kernel.run.open(oldAt, old.bytes.length, newAt, fresh.bytes.length);
  }

  get frameUsable(): boolean {
    return this.#kernel.run.frameUsable(...this.#sections) !== 0;
  }

  get tableUsable(): boolean {
    const [, , to, bytes] = this.#sections;
    return this.#kernel.run.tableUsable(this.#table, to, bytes) !== 0;
  }

  setBlocks(blocks: readonly Matched[]): void {
    const words = Uint32Array.from(blocks.flatMap((b) => [b.fresh, b.old, b.length]));
    const at = this.#kernel.put(new Uint8Array(words.buffer));
    this.#kernel.run.openModel(at, blocks.length);
  }

  encode(): Uint8Array {
    const room = 65536 + 2 * this.#sections[3];
    const output = this.#kernel.run.alloc(room);
    const bytes = this.#kernel.run.encode(...this.#sections, output, room);
    return this.#kernel.bytes(output, bytes).slice();
  }

  /** The table (if any) and frame that coded bytes stand for, from old bytes that the host has. */
  decode(coded: Uint8Array, withTable: boolean): Uint8Array {
    const [from, oldBytes, to, bytes] = this.#sections;
    const table = withTable ? this.#table : to;
    const input = this.#kernel.put(coded, 64);
    const output = this.#kernel.run.alloc(to - table + bytes + 8192);
    const sizes = [from, oldBytes, table, to, bytes, this.#old.bytes.length];
    const made = this.#kernel.run.decode(...sizes, input, coded.length, output);
    return this.#kernel.bytes(output, made).slice();
  }
}
