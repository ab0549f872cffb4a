import type { SignatureKind } from '../../../delta/ostree/commitmeta.ts';

/** Settings of OSTree repositories. */
export interface OstreeConfig {
  /** Bytes of made `.filez` kept on disk by all processes together. */
  readonly filezBytes: number;
  /** By pattern of names, as in grants; a repository has what all patterns that match it say. */
  readonly repositories: Readonly<Record<string, OstreeRepositoryConfig>>;
}

export interface OstreeRepositoryConfig {
  /** Each signs every commit that a ref moves to, and the summary. */
  readonly sign: readonly SignConfig[];
  /** A ref moves only to a commit with a valid signature by any of these; none: to any commit. */
  readonly requireSigned: readonly VerifyConfig[];
}

export type SignConfig =
  /** A file with base64 of seed and public key, as `ostree sign` takes it. */
  | { readonly kind: 'ed25519'; readonly keyFile: string }
  | { readonly kind: 'gpg'; readonly keyId: string; readonly homedir?: string | undefined }
  /** Gets the bytes on its standard input and writes the raw signature. */
  | {
      readonly kind: 'command';
      readonly signature: SignatureKind;
      readonly command: readonly [string, ...string[]];
    };

export type VerifyConfig =
  /** Public keys in base64. */
  | { readonly kind: 'ed25519'; readonly keys: readonly string[] }
  /** A file with OpenPGP public keys, armored or not. */
  | { readonly kind: 'gpg'; readonly keyring: string };
