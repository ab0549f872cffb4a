import { sign, type KeyObject } from 'node:crypto';

import { checkAborted } from '../../errors.ts';
import { parseSecretKey } from './ed25519-keys.ts';
import type { Signer, SignOptions } from './signer.ts';

/** Signs with an ed25519 secret key in memory. */
export class Ed25519Signer implements Signer {
  readonly kind = 'ostree.sign.ed25519';
  readonly #key: KeyObject;

  private constructor(key: KeyObject) {
    this.#key = key;
  }

  /** From a key file's text. Throws as {@link parseSecretKey}. */
  static fromKeyFile(text: string): Ed25519Signer {
    return new Ed25519Signer(parseSecretKey(text));
  }

  async sign(bytes: Uint8Array, { signal }: SignOptions = {}): Promise<Uint8Array> {
    checkAborted(signal, 'signing');
    return Promise.resolve(sign(null, bytes, this.#key));
  }
}
