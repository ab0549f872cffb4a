import { compileKernel, startKernel, type StartedKernel } from './compile.ts';

/** A reference as the kernel found it (Ref of delta/kernel/refs/kinds.ts). */
export interface FoundRef {
  readonly offset: number;
  readonly kind: number;
  readonly aux: number;
  readonly target: number;
  readonly base: number;
}

const ENTRY = `
import { openOld } from 'kernel/old';
import { alloc, mark, release } from 'kernel/memory';
import { addImage, openImages } from 'kernel/elf/images';
import { Image, Machine } from 'kernel/elf/image';
import { parseImage } from 'kernel/elf/parse';
import { openScan, refs } from 'kernel/scan/emit';
import { FieldLog, normaliseNew, normaliseOld, swapFields } from 'kernel/scan/normalise';
import { scanPage } from 'kernel/scan/page';
import { oldByte, oldPage, openPages } from 'kernel/scan/pages';
import { openSettle } from 'kernel/scan/settle';
export { alloc, mark, oldByte, openOld, release };
export function open(size: u32, base: usize): void {
  openOld(size, base);
  openScan();
  openSettle();
  openImages();
  openPages();
}
export function parse(offset: u32, bytes: u32, addresses: u32): usize {
  const image = parseImage(offset, bytes, addresses);
  if (image.machine !== Machine.NONE) addImage(image);
  return changetype<usize>(image);
}
export function scan(image: usize, page: u32): u32 {
  return scanPage(changetype<Image>(image), page);
}
export function refsPlace(): usize { return refs; }
export function page(index: u32): usize { return changetype<usize>(oldPage(index)); }
export function machineOf(image: usize): u32 { return changetype<Image>(image).machine; }
export function spanOf(image: usize): u32 { return changetype<Image>(image).addressSpan; }
export function sectionsOf(image: usize): u32 { return changetype<Image>(image).sectionCount; }
export function roleOf(image: usize, i: u32): u32 { return changetype<Image>(image).section(i).role; }
export function offsetOf(image: usize, i: u32): u32 { return changetype<Image>(image).section(i).offset; }
export function bytesOf(image: usize, i: u32): u32 { return changetype<Image>(image).section(i).bytes; }
export function rewriteOld(): usize { return changetype<usize>(normaliseOld()); }
export function rewriteNew(base: usize, bytes: u32, image: usize): usize {
  return changetype<usize>(normaliseNew(base, bytes, changetype<Image>(image)));
}
export function swap(log: usize): void { swapFields(changetype<FieldLog>(log)); }
`;

const CALLS = [
  'mark',
  'release',
  'open',
  'openOld',
  'oldByte',
  'parse',
  'scan',
  'refsPlace',
  'page',
  'machineOf',
  'spanOf',
  'sectionsOf',
  'roleOf',
  'offsetOf',
  'bytesOf',
  'rewriteOld',
  'rewriteNew',
  'swap',
] as const;

type StartedScanner = StartedKernel<(typeof CALLS)[number] | 'alloc'>;

let compiled: WebAssembly.Module | undefined;

/** The scanners over some old bytes, which they hold in memory or read from the host. */
export class ScanSession {
  /** Reads that the host was asked for, and their bytes. */
  reads = 0;
  readBytes = 0;
  /** Where the bytes lie, when in memory. */
  readonly base: number;
  readonly kernel: StartedScanner['run'];
  readonly #started: StartedScanner;
  readonly #old: Uint8Array;

  constructor(old: Uint8Array, place: 'memory' | 'host') {
    compiled ??= compileKernel(ENTRY);
    this.#old = old;
    this.#started = startKernel(compiled, CALLS, {
      old,
      onRead: (bytes) => {
        this.reads++;
        this.readBytes += bytes;
      },
    });
    this.kernel = this.#started.run;
    this.base = place === 'memory' ? this.#started.put(old) : 0;
    this.kernel.open(old.length, this.base);
  }

  bytes(at: number, length: number): Uint8Array {
    return this.#started.bytes(at, length);
  }

  /** The image of a source that becomes one of the old images, if it is an executable. */
  parse(offset = 0, bytes = this.#old.length - offset, addresses = 0): number {
    return this.kernel.parse(offset, bytes, addresses);
  }

  /** The references of all pages of an image, in the order of the pages; scanned in `order`. */
  scanAll(image: number, order: (pages: number[]) => number[] = (pages) => pages): FoundRef[] {
    const pages = Array.from({ length: Math.ceil(this.#old.length / 4096) }, (_, i) => i);
    const found = new Map<number, FoundRef[]>();
    for (const page of order([...pages])) {
      const count = this.kernel.scan(image, page);
      found.set(page, this.refs(this.kernel.refsPlace(), count));
    }
    return pages.flatMap((page) => found.get(page) ?? []);
  }

  /** What the page cache has of a page. */
  page(index: number): { bytes: Uint8Array; refs: FoundRef[] } {
    const [, bytes = 0, refs = 0, count = 0] = this.words(this.kernel.page(index), 4);
    return { bytes: this.bytes(bytes, 4096 + 16).slice(), refs: this.refs(refs, count) };
  }

  private words(at: number, count: number): Uint32Array {
    return new Uint32Array(this.#started.memory.buffer, at, count);
  }

  private refs(at: number, count: number): FoundRef[] {
    return Array.from({ length: count }, (_, i) => {
      const [offset = 0, target = 0, base = 0, kinds = 0] = this.words(at + 16 * i, 4);
      return { offset, kind: kinds & 255, aux: (kinds >> 8) & 255, target, base };
    });
  }
}
