import type { IoOptions } from '../../../../storage/object-store.ts';
import type { RandomAccess } from '../../../../storage/random-access.ts';
import { checkAborted } from '../../../errors.ts';
import { BlockTable } from './block-table.ts';

/** New bytes that are read at once. */
const PIECE_BYTES = 1024 * 1024;
const COMPARE_BYTES = 32 * 1024;

/** New bytes that stand in a source as they are. */
export interface Copy {
  readonly newOffset: number;
  /** Its number. */
  readonly source: number;
  readonly sourceOffset: number;
  readonly length: number;
}

/**
 * Finds stretches of a new file that stand in one of several sources, of any size: blocks of the
 * sources are looked up at every place of the new file (rsync's way: Tridgell, 1999) and what is found is
 * extended both ways. Copies ascend and do not overlap. Memory: some 12 bytes for each block.
 */
export async function findCopies(
  sources: readonly RandomAccess[],
  fresh: RandomAccess,
  { signal }: IoOptions,
): Promise<readonly Copy[]> {
  const table = await BlockTable.of(sources, { signal });
  return new CopySearch(sources, fresh, table, signal).run();
}

class CopySearch {
  readonly #sources: readonly RandomAccess[];
  readonly #fresh: RandomAccess;
  readonly #table: BlockTable;
  readonly #signal: AbortSignal | undefined;
  readonly #copies: Copy[] = [];
  /** The first new byte that no copy covers. */
  #done = 0;

  constructor(
    sources: readonly RandomAccess[],
    fresh: RandomAccess,
    table: BlockTable,
    signal: AbortSignal | undefined,
  ) {
    this.#sources = sources;
    this.#fresh = fresh;
    this.#table = table;
    this.#signal = signal;
  }

  async run(): Promise<readonly Copy[]> {
    const { blockBytes } = this.#table;
    for (let at = 0; at + blockBytes <= this.#fresh.size;) {
      checkAborted(this.#signal, 'looking for equal bytes');
      const length = Math.min(PIECE_BYTES + blockBytes, this.#fresh.size - at);
      at = await this.#scan(await this.#fresh.read(at, length), at);
    }
    return this.#copies;
  }

  /** Looks through a piece that stands at `start`; returns where to go on. */
  async #scan(piece: Buffer, start: number): Promise<number> {
    const { blockBytes } = this.#table;
    const last = piece.length - blockBytes;
    let at = 0;
    let hash = this.#table.hash.of(piece, at);
    for (;;) {
      const copy = this.#table.mayHold(hash) ? await this.#longest(hash, start + at) : undefined;
      if (copy === undefined) {
        if (at === last) return start + last + 1;
        hash = this.#table.hash.roll(hash, piece, at);
        at += 1;
        continue;
      }
      this.#copies.push(copy);
      this.#done = copy.newOffset + copy.length;
      if (this.#done - start > last) return this.#done;
      at = this.#done - start;
      hash = this.#table.hash.of(piece, at);
    }
  }

  async #longest(hash: number, newOffset: number): Promise<Copy | undefined> {
    let best: Copy | undefined;
    for (const { source, offset } of this.#table.placesOf(hash)) {
      const access = this.#sources[source];
      if (access === undefined) continue;
      const length = await this.#equalAhead(access, offset, newOffset);
      if (length < this.#table.blockBytes || length <= (best?.length ?? 0)) continue;
      best = { newOffset, source, sourceOffset: offset, length };
    }
    const access = best === undefined ? undefined : this.#sources[best.source];
    if (best === undefined || access === undefined) return undefined;
    const back = await this.#equalBefore(access, best.sourceOffset, newOffset);
    return {
      source: best.source,
      newOffset: best.newOffset - back,
      sourceOffset: best.sourceOffset - back,
      length: best.length + back,
    };
  }

  async #equalAhead(source: RandomAccess, offset: number, newOffset: number): Promise<number> {
    const most = Math.min(source.size - offset, this.#fresh.size - newOffset);
    let length = 0;
    // Short at first: most hits end soon, or are none.
    for (let step = this.#table.blockBytes; length < most; step = COMPARE_BYTES) {
      const bytes = Math.min(step, most - length);
      const [a, b] = await Promise.all([
        source.read(offset + length, bytes),
        this.#fresh.read(newOffset + length, bytes),
      ]);
      const equal = equalPrefix(a, b);
      length += equal;
      if (equal < bytes) break;
    }
    return length;
  }

  async #equalBefore(source: RandomAccess, offset: number, newOffset: number): Promise<number> {
    // What is further back was looked up before.
    const most = Math.min(offset, newOffset - this.#done, this.#table.blockBytes);
    const [a, b] = await Promise.all([
      source.read(offset - most, most),
      this.#fresh.read(newOffset - most, most),
    ]);
    let length = 0;
    while (length < most && a[most - 1 - length] === b[most - 1 - length]) length += 1;
    return length;
  }
}

function equalPrefix(a: Uint8Array, b: Uint8Array): number {
  let length = 0;
  while (length < a.length && a[length] === b[length]) length += 1;
  return length;
}
