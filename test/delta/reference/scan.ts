// The references of the old bytes, page by page (CODING.md, "Scanning").

import type { Bytes } from './bytes.ts';
import type { Image, Section } from './image.ts';
import { Machine } from './image.ts';
import { fieldBytes, Kind, type Ref } from './kinds.ts';
import { scanA64 } from './scan-a64.ts';
import { scanArm } from './scan-arm.ts';
import { scanEhFrame, scanEhFrameHeader } from './scan-eh-frame.ts';
import { scanPclntab, scanTypelink } from './scan-go.ts';
import { scanArmUnwind } from './scan-arm-unwind.ts';
import { scanData, scanGnuHash, scanRelocations, scanSymbols } from './scan-data.ts';
import { scanJumpTables } from './scan-jump-tables.ts';
import { scanRv64 } from './scan-rv64.ts';
import { scanX64 } from './scan-x64.ts';

const PAGE = 4096;

export class OldReferences {
  readonly #old: Bytes;
  readonly #images: readonly Image[];
  readonly #pages = new Map<number, readonly Ref[]>();
  readonly #tables = new Map<Section, ReadonlyMap<number, readonly Ref[]>>();

  constructor(old: Bytes, images: readonly Image[]) {
    this.#old = old;
    this.#images = images;
  }

  /** Those whose fields begin in old bytes from `index` * 4096, ascending, without overlaps. */
  page(index: number): readonly Ref[] {
    const known = this.#pages.get(index);
    if (known) return known;
    const refs = settle(this.#images.flatMap((image) => this.#scan(image, index)));
    this.#pages.set(index, refs);
    return refs;
  }

  /** The reference that the old byte at `offset` belongs to, if it begins in the same page. */
  covering(offset: number): Ref | undefined {
    return this.page(Math.floor(offset / PAGE)).findLast(
      (ref) => ref.offset <= offset && offset < ref.offset + fieldBytes(ref.kind),
    );
  }

  #scan(image: Image, index: number): Ref[] {
    const from = index * PAGE;
    const to = from + PAGE;
    return image.sections
      .filter((section) => section.offset < to && section.offset + section.bytes > from)
      .flatMap((section) => {
        const end = Math.min(to, section.offset + section.bytes);
        const inPart = scanPart(this.#old, image, section, Math.max(from, section.offset), end);
        return [...(this.#table(image, section).get(index) ?? []), ...inPart];
      });
  }

  #table(image: Image, section: Section): ReadonlyMap<number, readonly Ref[]> {
    const known = this.#tables.get(section);
    if (known) return known;
    const refs = scanTable(this.#old, image, section);
    const pages = new Map<number, Ref[]>();
    for (const ref of refs) {
      const page = Math.floor(ref.offset / PAGE);
      const inPage = pages.get(page) ?? [];
      inPage.push(ref);
      pages.set(page, inPage);
    }
    this.#tables.set(section, pages);
    return pages;
  }
}

/** Where a scan depends on where it begins: the references whose fields begin in [from, to). */
function scanPart(old: Bytes, image: Image, section: Section, from: number, to: number): Ref[] {
  switch (section.role) {
    case 'code':
    case 'arm-plt':
      return scanCode(old, image, section, from, to);
    case 'data':
      return scanJumpTables(old, image, section, from, to);
    case 'arm-exidx':
    case 'arm-extab':
      return scanArmUnwind(old, image, section, from, to);
    default:
      return [];
  }
}

function scanCode(old: Bytes, image: Image, section: Section, from: number, to: number): Ref[] {
  switch (image.machine) {
    case Machine.x64:
      return scanX64(old, image, section, from, to);
    case Machine.a64:
      return scanA64(old, image, section, from, to);
    case Machine.a32:
      return scanArm(old, image, section, from, to);
    case Machine.rv64:
      return scanRv64(old, image, section, from, to);
    case Machine.none:
      return [];
  }
}

/** All other references of a section, in the order in which they are found. */
function scanTable(old: Bytes, image: Image, section: Section): Ref[] {
  switch (section.role) {
    case 'data':
      return scanData(old, image, section);
    case 'symbols':
      return scanSymbols(old, image, section);
    case 'relocations':
      return scanRelocations(old, image, section);
    case 'eh-frame':
      return scanEhFrame(old, image, section);
    case 'eh-frame-hdr':
      return scanEhFrameHeader(old, image, section);
    case 'go-pclntab':
      return scanPclntab(old, image, section);
    case 'go-typelink':
      return scanTypelink(old, image, section);
    case 'gnu-hash':
      return scanGnuHash(old, image, section);
    default:
      return [];
  }
}

/**
 * In order. Of two at one place the first of a kind from `file32` on wins, else the first; of two that
 * overlap the one that begins first.
 */
function settle(refs: readonly Ref[]): Ref[] {
  const kept: Ref[] = [];
  let free = 0;
  const rank = (ref: Ref) => (ref.kind >= Kind.file32 ? 0 : 1);
  for (const ref of refs.toSorted((a, b) => a.offset - b.offset || rank(a) - rank(b))) {
    if (ref.offset < free) continue;
    kept.push(ref);
    free = ref.offset + fieldBytes(ref.kind);
  }
  return kept;
}
