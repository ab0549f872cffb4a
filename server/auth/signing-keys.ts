import { randomBytes, randomUUID } from 'node:crypto';

import type { SigningKey, SigningKeyCatalog } from '../../storage/catalog/signing-key-catalog.ts';
import type { Clock } from '../../storage/clock.ts';

/** A key that is older is succeeded by a new one. */
const ROTATE_MS = 30 * 86_400_000;
/** Tokens signed by a key that was succeeded are taken for so long: longer than any of them lives. */
const RETIRE_MS = 3_600_000;
/** What was read of the catalog is taken for current for so long. */
const FRESH_MS = 60_000;
const SECRET_BYTES = 32;

/** The keys of this catalog as one process sees them: made when first needed, rotated as they age. */
export class SigningKeys {
  readonly #catalog: SigningKeyCatalog;
  readonly #clock: Clock;
  #keys: readonly SigningKey[] = [];
  #readMs = -Infinity;

  constructor(catalog: SigningKeyCatalog, clock: Clock) {
    this.#catalog = catalog;
    this.#clock = clock;
  }

  /** The key to sign with. */
  async current(): Promise<SigningKey> {
    if (this.#clock() - this.#readMs > FRESH_MS) await this.#read();
    const freshSinceMs = this.#clock() - ROTATE_MS;
    const [newest] = this.#keys;
    if (newest !== undefined && newest.createdMs >= freshSinceMs) return newest;
    const secret = randomBytes(SECRET_BYTES).toString('base64url');
    await this.#catalog.addUnlessFresh({ id: randomUUID(), secret }, freshSinceMs);
    const [made] = await this.#read();
    if (made === undefined) throw new TypeError('the catalog lost a signing key');
    return made;
  }

  /** The key of that id, if what it signed still counts. */
  async find(id: string): Promise<SigningKey | undefined> {
    const isOld = this.#clock() - this.#readMs > FRESH_MS;
    if (isOld || !this.#keys.some((key) => key.id === id)) await this.#read();
    const index = this.#keys.findIndex((key) => key.id === id);
    const successor = this.#keys[index - 1];
    if (successor !== undefined && successor.createdMs < this.#clock() - RETIRE_MS)
      return undefined;
    return this.#keys[index];
  }

  async #read(): Promise<readonly SigningKey[]> {
    const readMs = this.#clock();
    this.#keys = await this.#catalog.list();
    this.#readMs = readMs;
    return this.#keys;
  }
}
