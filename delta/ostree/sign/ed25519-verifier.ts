import { verify, type KeyObject } from 'node:crypto';

import { formatPublicKey, parsePublicKeys } from './ed25519-keys.ts';
import { MAX_SIGNATURES, type Verdict, type Verifier } from './verifier.ts';

/** Checks ed25519 signatures against a list of public keys. */
export class Ed25519Verifier implements Verifier {
  readonly kind = 'ostree.sign.ed25519';
  readonly #keys: readonly KeyObject[];

  private constructor(keys: readonly KeyObject[]) {
    this.#keys = keys;
  }

  /** From a key file's text. Throws as {@link parsePublicKeys}. */
  static fromKeyFile(text: string): Ed25519Verifier {
    return new Ed25519Verifier(parsePublicKeys(text));
  }

  verify(bytes: Uint8Array, signatures: readonly Uint8Array[]): Promise<Verdict> {
    return Promise.resolve(this.#verdict(bytes, signatures));
  }

  #verdict(bytes: Uint8Array, signatures: readonly Uint8Array[]): Verdict {
    for (const signature of signatures.slice(0, MAX_SIGNATURES)) {
      const key = this.#keys.find((key) => verify(null, bytes, key, signature));
      if (key !== undefined) return { kind: 'valid', key: formatPublicKey(key) };
    }
    return {
      kind: 'invalid',
      reason: `none of ${signatures.length} ed25519 signatures is by one of ${this.#keys.length} keys`,
    };
  }
}
