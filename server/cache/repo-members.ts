import type { Clock } from '../../storage/clock.ts';
import { StorageError } from '../../storage/errors.ts';
import type { Upstream } from './upstream.ts';
import { expectStatus } from './upstream-blobs.ts';

const MAX_REMEMBERED = 50_000;
/** What left a repository may still be read through it for so long. */
const REMEMBERED_MS = 600_000;

/**
 * Says whether a repository of the origin has something: a cache knows its blobs by digest only, and a
 * caller who may read one repository must not get at another's through it.
 */
export class RepoMembers {
  readonly #upstream: Upstream;
  readonly #clock: Clock;
  readonly #seenMs = new Map<string, number>();

  constructor(upstream: Upstream, clock: Clock) {
    this.#upstream = upstream;
    this.#clock = clock;
  }

  /** `path`: of a blob or a manifest in a repository. Throws `missing`; `unavailable` without the origin. */
  async check(path: string, signal: AbortSignal): Promise<void> {
    const seenMs = this.#seenMs.get(path);
    if (seenMs !== undefined && this.#clock() - seenMs < REMEMBERED_MS) return;
    const answer = await this.#upstream.request({ method: 'HEAD', path, signal, failFast: true });
    this.#upstream.discard(answer);
    if (answer.status === 404) {
      this.#seenMs.delete(path);
      throw new StorageError('missing', 'the origin does not have it in this repository');
    }
    expectStatus(answer, path, [200]);
    if (this.#seenMs.size >= MAX_REMEMBERED) this.#seenMs.clear();
    this.#seenMs.set(path, this.#clock());
  }
}
