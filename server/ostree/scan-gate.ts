import type { RepoName } from '../../storage/names.ts';
import type { Exchange } from '../http/exchange.ts';
import { clientKey, isHasty } from './old-clients.ts';

/**
 * A client asks for the root's dirtree as it asks for the first part, or once another one is through (two at
 * once leave it no room to walk), or it has it.
 */
const WAIT_MS = 10_000;
/** One that did not ask is not waited for again for so long. */
const FORGIVEN_MS = 60_000;
/** Clients told apart at once; one more is not waited for. */
const MAX_CLIENTS = 4096;

interface Scanner {
  /** Its requests for a dirtree that are held. */
  held: number;
  readonly waiting: Set<() => void>;
  /** Until then its parts do not wait. */
  forgivenUntilMs: number;
}

export interface ScanGateOptions {
  readonly clock: () => number;
  readonly waitMs?: number | undefined;
}

/**
 * The other half of the shield for clients before 2023.7. Such a client walks the new commit's tree while
 * it takes the delta, and asks for every file that it does not find. If the first part comes before the walk
 * has begun, it meets directories that are written already and files that are not yet, and then asks for
 * all of those, whatever is held. So the first part waits until the client has asked for a directory: held by
 * the shield, that stops the walk until the delta is through.
 */
export class ScanGate {
  readonly #clock: () => number;
  readonly #waitMs: number;
  readonly #scanners = new Map<string, Scanner>();

  constructor({ clock, waitMs = WAIT_MS }: ScanGateOptions) {
    this.#clock = clock;
    this.#waitMs = waitMs;
  }

  /** Holds a request for a dirtree by `hold`, during which the client's parts may go. */
  async during(x: Exchange, repo: RepoName, hold: () => Promise<void>): Promise<void> {
    const scanner = isHasty(x) ? this.#scannerOf(x, repo) : undefined;
    if (scanner === undefined) {
      await hold();
      return;
    }
    scanner.held += 1;
    for (const go of scanner.waiting) go();
    try {
      await hold();
    } finally {
      scanner.held -= 1;
    }
  }

  /** Resolves when the first part may be sent. */
  async pass(x: Exchange, repo: RepoName): Promise<void> {
    if (x.req.method !== 'GET' || !isHasty(x) || x.signal.aborted) return;
    const scanner = this.#scannerOf(x, repo);
    if (scanner === undefined || scanner.held > 0) return;
    if (this.#clock() < scanner.forgivenUntilMs) return;
    await new Promise<void>((resolve) => {
      const go = (): void => {
        clearTimeout(late);
        scanner.waiting.delete(go);
        x.signal.removeEventListener('abort', go);
        resolve();
      };
      const late = setTimeout(() => {
        scanner.forgivenUntilMs = this.#clock() + FORGIVEN_MS;
        go();
      }, this.#waitMs);
      scanner.waiting.add(go);
      x.signal.addEventListener('abort', go);
    });
  }

  #scannerOf(x: Exchange, repo: RepoName): Scanner | undefined {
    const key = clientKey(x, repo);
    const known = this.#scanners.get(key);
    if (known !== undefined) return known;
    if (this.#scanners.size >= MAX_CLIENTS) this.#dropIdle();
    if (this.#scanners.size >= MAX_CLIENTS) return undefined;
    const scanner = { held: 0, waiting: new Set<() => void>(), forgivenUntilMs: 0 };
    this.#scanners.set(key, scanner);
    return scanner;
  }

  #dropIdle(): void {
    for (const [key, { held, waiting }] of this.#scanners) {
      if (held === 0 && waiting.size === 0) this.#scanners.delete(key);
    }
  }
}
