import { setTimeout as sleep } from 'node:timers/promises';

import { makeCommit, makeImage } from './content.ts';
import type { Ledger } from './ledger.ts';
import type { Random } from './random.ts';
import { deleteImage, pushCommit, pushImage } from './registry-client.ts';

/** Images that stay; older ones are deleted. */
const KEPT_IMAGES = 12;
const WRITERS = 3;
export const REF = 'os/main';
/** After a refusal, and while the server is down. */
const PAUSE_MS = 50;

export interface LoadOptions {
  /** The server's address while it is up. */
  readonly url: () => string;
  readonly ledger: Ledger;
  readonly seed: string;
  readonly random: Random;
  /** Of requests that the living server answered otherwise than it should; breaks at a kill are no news. */
  readonly onRefusal: (error: unknown) => void;
}

/** Writers at work until they are stopped; what is answered goes into the ledger. */
export class Load {
  readonly #options: LoadOptions;
  readonly #stopped = new AbortController();
  readonly #running: readonly Promise<void>[];
  /** Pushes that a kill interrupted: their clients come again. */
  readonly #interrupted: string[];
  /** The last move was not answered. */
  #unsure = false;

  constructor(options: LoadOptions) {
    this.#options = options;
    this.#interrupted = [...options.ledger.named('asked')];
    this.#running = [
      ...Array.from({ length: WRITERS }, () => this.#loop(() => this.#pushImage())),
      this.#loop(() => this.#moveStable()),
      this.#loop(() => this.#deleteOldest()),
      this.#loop(() => this.#pushCommit()),
    ];
  }

  async stop(): Promise<void> {
    this.#stopped.abort();
    await Promise.all(this.#running);
  }

  async #loop(work: () => Promise<void>): Promise<void> {
    while (!this.#stopped.signal.aborted) {
      try {
        await work();
        await this.#pause(this.#options.random.below(PAUSE_MS));
      } catch (error) {
        this.#options.onRefusal(error);
        await this.#pause(PAUSE_MS);
      }
    }
  }

  async #pause(ms: number): Promise<void> {
    const { signal } = this.#stopped;
    await sleep(ms, undefined, { signal }).catch((error: unknown) => {
      if (!signal.aborted) throw error;
    });
  }

  async #pushImage(): Promise<void> {
    const { ledger, url } = this.#options;
    const tag = this.#interrupted.pop() ?? this.#newImage();
    const entry = tag === undefined ? undefined : ledger.images.get(tag);
    if (tag === undefined || entry === undefined) return;
    // A client tries again until it is told that the image is there.
    while (!this.#stopped.signal.aborted) {
      try {
        await pushImage(url(), entry.image, [tag]);
        entry.state = 'there';
        ledger.acknowledged += 1;
        return;
      } catch (error) {
        this.#options.onRefusal(error);
        await this.#pause(PAUSE_MS);
      }
    }
  }

  /** The tag of one more, unless there are many already. */
  #newImage(): string | undefined {
    const { ledger, seed } = this.#options;
    if (ledger.images.size > 2 * KEPT_IMAGES) return undefined;
    const number = (ledger.made.images += 1);
    const tag = `v${number}`;
    ledger.images.set(tag, { image: makeImage(seed, number), state: 'asked' });
    return tag;
  }

  /** A moving tag, as releases have: the matrix builds deltas from one to the next. */
  async #moveStable(): Promise<void> {
    const { ledger, url } = this.#options;
    const newest = ledger.named('there').at(-1);
    const entry = newest === undefined ? undefined : ledger.images.get(newest);
    if (entry === undefined) return;
    const { image } = entry;
    if (ledger.stable.possible.at(-1) === image && !this.#unsure) return;
    this.#unsure = true;
    ledger.stable.ask(image);
    await pushImage(url(), image, ['stable']);
    ledger.stable.acknowledge(image);
    this.#unsure = false;
    ledger.acknowledged += 1;
  }

  async #deleteOldest(): Promise<void> {
    const { ledger, url } = this.#options;
    const [pending] = ledger.named('going');
    const there = ledger.named('there');
    const oldest = pending ?? (there.length > KEPT_IMAGES ? there[0] : undefined);
    const entry = oldest === undefined ? undefined : ledger.images.get(oldest);
    if (oldest === undefined || entry === undefined) return;
    if (ledger.stable.possible.includes(entry.image)) return;
    entry.state = 'going';
    await deleteImage(url(), entry.image.digest);
    ledger.remove(oldest);
    ledger.acknowledged += 1;
  }

  async #pushCommit(): Promise<void> {
    const { ledger, seed, url } = this.#options;
    const made = await makeCommit(seed, (ledger.made.commits += 1));
    ledger.ref.ask(made);
    await pushCommit(url(), REF, made.commit, made.objects);
    ledger.ref.acknowledge(made);
    ledger.acknowledged += 1;
  }
}
