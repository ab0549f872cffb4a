import type { RandomAccess } from '../../../../storage/random-access.ts';
import { REACH_SHARE, WINDOW_SHARE } from './match-limits.ts';

/** A stretch of the new file and the old bytes that it is matched with. */
export interface PairWindow {
  readonly newStart: number;
  readonly newBytes: number;
  readonly oldStart: number;
  readonly oldBytes: number;
}

export interface WindowBytes {
  readonly old: Buffer;
  readonly fresh: Buffer;
}

/** An old and a new file, window by window: one window if both fit into memory. */
export class FilePair {
  readonly old: RandomAccess;
  readonly fresh: RandomAccess;
  readonly windows: readonly PairWindow[];
  #held: (WindowBytes & { readonly window: PairWindow }) | undefined;

  /** `pairBytes`: old and new bytes that may be in memory. */
  constructor(old: RandomAccess, fresh: RandomAccess, pairBytes: number) {
    this.old = old;
    this.fresh = fresh;
    this.windows = windowsOf(old.size, fresh.size, pairBytes);
  }

  /** A window's bytes; the last one that was read is held. */
  async read(window: PairWindow): Promise<WindowBytes> {
    if (this.#held?.window !== window) {
      // Let go first: two windows are more than fits.
      this.#held = undefined;
      const old = await this.old.read(window.oldStart, window.oldBytes);
      const fresh = await this.fresh.read(window.newStart, window.newBytes);
      this.#held = { window, old, fresh };
    }
    return this.#held;
  }
}

function windowsOf(oldSize: number, newSize: number, pairBytes: number): readonly PairWindow[] {
  if (oldSize + newSize <= pairBytes) {
    return [{ newStart: 0, newBytes: newSize, oldStart: 0, oldBytes: oldSize }];
  }
  const windowBytes = Math.floor(pairBytes * WINDOW_SHARE);
  const reach = Math.floor(pairBytes * REACH_SHARE);
  return Array.from({ length: Math.ceil(newSize / windowBytes) }, (_, number) => {
    const newStart = number * windowBytes;
    const newBytes = Math.min(windowBytes, newSize - newStart);
    const oldEnd = Math.min(newStart + newBytes + reach, oldSize);
    const oldStart = Math.max(0, Math.min(newStart, oldEnd) - reach);
    return { newStart, newBytes, oldStart, oldBytes: oldEnd - oldStart };
  });
}
