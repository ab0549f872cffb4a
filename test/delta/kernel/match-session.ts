import { compileKernel, startKernel } from './compile.ts';

/** `length` bytes from `fresh` on resemble as many from `old` on. */
export interface Block {
  readonly fresh: number;
  readonly old: number;
  readonly length: number;
}

export interface MatchOptions {
  /** Blocks of an earlier pass; without, it is the first pass. */
  readonly hints?: readonly Block[];
  /** What lies behind both inputs in memory. */
  readonly guard?: Uint8Array;
}

const CALLS = ['mark', 'release', 'matchBytes', 'joinBlocks', 'blocksAt'] as const;

const SOURCE = `
export { alloc, mark, release } from 'kernel/memory';
import { matchedBlocks } from 'kernel/match/match';
export { joinBlocks, matchBytes } from 'kernel/match/match';
export function blocksAt(): usize { return matchedBlocks; }
`;

/** The matcher, alone. */
export class Matcher {
  /** Calls of the host's tick: about one for a million units of work. */
  ticks = 0;
  /** Bytes that the last match left allocated. */
  kept = 0;
  readonly #kernel = startKernel(compileKernel(SOURCE), CALLS, { onTick: () => this.ticks++ });

  get memoryBytes(): number {
    return this.#kernel.memory.buffer.byteLength;
  }

  match(old: Uint8Array, fresh: Uint8Array, options: MatchOptions = {}): Block[] {
    const kernel = this.#kernel.run;
    const base = kernel.mark();
    const guard = options.guard ?? new Uint8Array(0);
    const oldAt = this.#put(old, guard);
    const freshAt = this.#put(fresh, guard);
    const hints = options.hints ?? [];
    const hintsAt = this.#put(toBytes(hints), new Uint8Array(0));
    const inputs = [oldAt, old.length, freshAt, fresh.length, 0, 0, hintsAt, hints.length];
    const top = kernel.mark();
    const count = kernel.matchBytes(...inputs, options.hints === undefined ? 1 : 0);
    this.kept = kernel.mark() - top;
    const blocks = this.#blocksAt(kernel.blocksAt(), count);
    kernel.release(base);
    return blocks;
  }

  join(blocks: readonly Block[], old: Uint8Array, fresh: Uint8Array): Block[] {
    const kernel = this.#kernel.run;
    const base = kernel.mark();
    const none = new Uint8Array(0);
    const oldAt = this.#put(old, none);
    const freshAt = this.#put(fresh, none);
    const at = this.#put(toBytes(blocks), none);
    const count = kernel.joinBlocks(at, blocks.length, oldAt, old.length, freshAt, fresh.length);
    const joined = this.#blocksAt(at, count);
    kernel.release(base);
    return joined;
  }

  /** All passes on the bytes as they are. */
  align(old: Uint8Array, fresh: Uint8Array): Block[] {
    return this.match(old, fresh, { hints: this.match(old, fresh) });
  }

  #put(bytes: Uint8Array, guard: Uint8Array): number {
    const at = this.#kernel.put(bytes, guard.length);
    this.#kernel.bytes(at + bytes.length, guard.length).set(guard);
    return at;
  }

  #blocksAt(at: number, count: number): Block[] {
    const view = new DataView(this.#kernel.memory.buffer, at, 12 * count);
    return Array.from({ length: count }, (_, k) => ({
      fresh: view.getUint32(12 * k, true),
      old: view.getUint32(12 * k + 4, true),
      length: view.getUint32(12 * k + 8, true),
    }));
  }
}

function toBytes(blocks: readonly Block[]): Uint8Array {
  const words = Uint32Array.from(blocks.flatMap(({ fresh, old, length }) => [fresh, old, length]));
  return new Uint8Array(words.buffer);
}
