import type { BlockName, BlockPlace } from '../../storage/sparse/sparse-store.ts';
import type { StoreHealth } from './store-health.ts';

/** How a bucket does for what is asked of it. */
export interface BucketHealth {
  readonly reads: StoreHealth;
  readonly writes: StoreHealth;
}

/** Blocks in a bucket that may be away: then `StoreAwayError`. Their map is elsewhere. */
export class GuardedPlace implements BlockPlace {
  readonly #place: BlockPlace;
  readonly #health: BucketHealth;

  constructor(place: BlockPlace, health: BucketHealth) {
    this.#place = place;
    this.#health = health;
  }

  write(name: BlockName, bytes: Uint8Array): Promise<void> {
    return this.#health.writes.run(() => this.#place.write(name, bytes));
  }

  read(
    name: BlockName,
    start: number,
    target: Buffer,
    at: number,
    length: number,
  ): Promise<number> {
    return this.#health.reads.run(() => this.#place.read(name, start, target, at, length));
  }

  saveMap(map: Buffer): Promise<void> {
    return this.#place.saveMap(map);
  }

  close(): Promise<void> {
    return this.#place.close();
  }

  remove(): Promise<void> {
    return this.#health.writes.run(() => this.#place.remove());
  }
}
