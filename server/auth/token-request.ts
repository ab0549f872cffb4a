/** Body of `POST /v1/tokens`, as openapi.yaml has it. */
export interface TokenRequest {
  readonly name: string;
  /** As `verb:pattern`. */
  readonly grants: readonly string[];
  /** Seconds from now; never, when left out. */
  readonly expiresIn?: number | undefined;
}
