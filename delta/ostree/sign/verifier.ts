import type { SignatureKind } from '../commitmeta.ts';
import type { SignOptions } from './signer.ts';

/** Whether bytes are signed by someone trusted. */
export type Verdict =
  /** By that key: base64 of an ed25519 public key, or the fingerprint of an OpenPGP key. */
  | { readonly kind: 'valid'; readonly key: string }
  /** Why no signature counts. */
  | { readonly kind: 'invalid'; readonly reason: string };

/** Checks the signatures of one kind, against the keys that it trusts. */
export interface Verifier {
  readonly kind: SignatureKind;
  /**
   * Valid when any of the signatures is one of the bytes by any trusted key, as libostree decides.
   * Throws `unavailable` when the check itself can't be made, `aborted`.
   */
  verify(
    bytes: Uint8Array,
    signatures: readonly Uint8Array[],
    options?: SignOptions,
  ): Promise<Verdict>;
}

/** Signatures looked at, so that a hostile commit can't keep us busy. */
export const MAX_SIGNATURES = 64;
