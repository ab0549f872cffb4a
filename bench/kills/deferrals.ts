/** A collector that dies keeps a blob from being pushed for two minutes (storage/gc/blobs.ts). */
const LONGEST_MS = 180_000;
/** Clients come again all the time but while the server is down: after such a pause it is another refusal. */
const PAUSE_MS = 30_000;

/** Refusals for now, by what was refused: one that lasts is a refusal for good. */
export class Deferrals {
  count = 0;
  readonly #refused = new Map<string, { readonly sinceMs: number; lastMs: number }>();

  /** False if the same has been refused again and again for longer than a collector's death explains. */
  isShort(what: string, nowMs: number): boolean {
    this.count += 1;
    let known = this.#refused.get(what);
    if (known === undefined || nowMs - known.lastMs > PAUSE_MS) {
      known = { sinceMs: nowMs, lastMs: nowMs };
      this.#refused.set(what, known);
    }
    known.lastMs = nowMs;
    return nowMs - known.sinceMs <= LONGEST_MS;
  }
}
