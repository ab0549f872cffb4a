/** The body of `POST push/missing`: file names of objects. */
export interface OstreeMissingRequest {
  readonly objects: readonly string[];
}

/** The body of `PUT push/refs/{ref}`. */
export interface OstreeRefRequest {
  readonly commit: string;
  /** A checksum, null for a ref that must not be there yet, or `any`. */
  readonly expected: string | null;
}
