import type { MadeCommit, MadeImage } from './content.ts';

/** How far an image has come; what was asked and not answered may have happened or not. */
export type ImageState = 'asked' | 'there' | 'going' | 'gone';

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
  readonly images = new Map<string, { readonly image: MadeImage; state: ImageState }>();
  /** Where the moving tag and the ref may be: where they were acknowledged, if ever, and what was asked since. */
  readonly stable = new Place<string>();
  readonly ref = new Place<MadeCommit>();
  /** Commits that were made, pushed or not. */
  commits = 0;
  acknowledged = 0;

  /** Names of images in a state. */
  named(state: ImageState): readonly string[] {
    return [...this.images].flatMap(([name, one]) => (one.state === state ? [name] : []));
  }
}
