/** A secret that signs registry tokens. */
export interface SigningKey {
  /** Named in what it signs. */
  readonly id: string;
  /** Base64url. */
  readonly secret: string;
  readonly createdMs: number;
}

/** Keys that all processes over one catalog share. */
export interface SigningKeyCatalog {
  /** The newest first. */
  list(): Promise<readonly SigningKey[]>;
  /**
   * Adds a key unless there is one made at `freshSinceMs` or later: of several callers at once, one
   * adds. What is older than the key that it succeeds is removed. False when nothing was added.
   */
  addUnlessFresh(key: Omit<SigningKey, 'createdMs'>, freshSinceMs: number): Promise<boolean>;
}
