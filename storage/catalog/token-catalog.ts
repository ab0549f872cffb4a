import type { Digest } from '../digest.ts';

export interface TokenRow {
  /** Chosen by the operator; unique. */
  readonly name: string;
  /** What it grants, as `verb:pattern` (server/auth/grants.ts). */
  readonly grants: readonly string[];
  readonly createdMs: number;
  /** Never, when undefined. */
  readonly expiresMs?: number | undefined;
}

/** Access tokens: who may do what. */
export interface TokenCatalog {
  /** Records a token by the digest of its secret; `conflict` when the name is taken. */
  create(secret: Digest, token: Omit<TokenRow, 'createdMs'>): Promise<void>;
  /** The token with that secret, expired ones included. */
  find(secret: Digest): Promise<TokenRow | undefined>;
  /** By name. */
  list(): Promise<readonly TokenRow[]>;
  /** False when there is no token of that name. */
  revoke(name: string): Promise<boolean>;
}
