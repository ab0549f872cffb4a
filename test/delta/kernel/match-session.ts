import { compileKernel } from './compile.ts';

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

interface Exports {
  readonly memory: WebAssembly.Memory;
  readonly matchedBlocks: { readonly value: number };
  alloc(bytes: number): number;
  mark(): number;
  release(to: number): void;
  matchBytes(...args: readonly number[]): number;
  joinBlocks(...args: readonly number[]): number;
}

const SOURCE = `
export { alloc, mark, release } from 'kernel/memory';
export { joinBlocks, matchBytes, matchedBlocks } from 'kernel/match/match';
`;

/** The matcher, alone. */
export class Matcher {
  /** Calls of the host's tick: about one for a million units of work. */
  ticks = 0;
  /** Bytes that the last match left allocated. */
  kept = 0;
  readonly #exports: Exports;

  constructor() {
    const host = {
      tick: () => this.ticks++,
      fail: (fault: number) => {
        throw new Error(`kernel fault ${fault}`);
      },
      read: () => {
        throw new Error('unexpected read');
      },
    };
    const instance = new WebAssembly.Instance(compileKernel(SOURCE), { host });
    this.#exports = instance.exports as unknown as Exports;
  }

  get memoryBytes(): number {
    return this.#exports.memory.buffer.byteLength;
  }

  match(old: Uint8Array, fresh: Uint8Array, options: MatchOptions = {}): Block[] {
    const kernel = this.#exports;
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
    const blocks = this.#blocksAt(kernel.matchedBlocks.value, count);
    kernel.release(base);
    return blocks;
  }

  join(blocks: readonly Block[], old: Uint8Array, fresh: Uint8Array): Block[] {
    const kernel = this.#exports;
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
    const at = this.#exports.alloc(bytes.length + guard.length);
    const memory = new Uint8Array(this.#exports.memory.buffer);
    memory.set(bytes, at);
    memory.set(guard, at + bytes.length);
    return at;
  }

  #blocksAt(at: number, count: number): Block[] {
    const view = new DataView(this.#exports.memory.buffer, at, 12 * count);
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
