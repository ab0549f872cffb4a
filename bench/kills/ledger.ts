import type { MadeCommit, MadeImage } from './content.ts';

/** How far an image has come; what was asked and not answered may have happened or not. */
export type ImageState = 'asked' | 'there' | 'going';

/** Where something that moves may be. */
export class Place<T> {
  #acknowledged: T | undefined;
  #asked: T[] = [];

  ask(to: T): void {
    this.#asked.push(to);
  }

  acknowledge(to: T): void {
    this.#acknowledged = to;
    this.#asked = [];
  }

  /** Nowhere is possible until the first move was acknowledged. */
  get mayBeNowhere(): boolean {
    return this.#acknowledged === undefined;
  }

  get possible(): readonly T[] {
    return this.#acknowledged === undefined ? this.#asked : [this.#acknowledged, ...this.#asked];
  }
}

/** What the server said yes to, and what it was asked. */
export class Ledger {
  /** By tag; of those whose deletion was acknowledged only the tag is kept, see {@link gone}. */
  readonly images = new Map<string, { readonly image: MadeImage; state: ImageState }>();
  /** Where the moving tag and the ref may be: where they were acknowledged, if ever, and what was asked since. */
  readonly stable = new Place<MadeImage>();
  readonly ref = new Place<MadeCommit>();
  /** How many were made, pushed or not. */
  readonly made = { images: 0, commits: 0 };
  acknowledged = 0;
  readonly #gone: string[] = [];
  #settled = 0;

  /** Tags of images in a state, the oldest first. */
  named(state: ImageState): readonly string[] {
    return [...this.images].flatMap(([name, one]) => (one.state === state ? [name] : []));
  }

  /** The deletion of an image was acknowledged. */
  remove(tag: string): void {
    this.images.delete(tag);
    this.#gone.push(tag);
  }

  /** Tags of images that were deleted: all, or those since the last {@link settle}. */
  gone(which: 'all' | 'recent'): readonly string[] {
    return which === 'all' ? this.#gone : this.#gone.slice(this.#settled);
  }

  settle(): void {
    this.#settled = this.#gone.length;
  }
}
