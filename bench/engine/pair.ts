/** Where one file of a pair comes from; what arrives must have this sha256 (hex). */
export type Source = NpmSource | DebianSource;

/** A file of a package of the configured npm registry. */
export interface NpmSource {
  readonly kind: 'npm';
  readonly package: string;
  readonly version: string;
  /** Inside the package; undefined: the whole package as a tar. */
  readonly path: string | undefined;
  readonly sha256: string;
}

/** A file of a binary package of a Debian archive. */
export interface DebianSource {
  readonly kind: 'debian';
  /** Path of the `.deb` below the archive's root. */
  readonly pool: string;
  /** Inside the package. */
  readonly path: string;
  readonly sha256: string;
}

/** The same file in two releases. */
export interface Pair {
  readonly name: string;
  /** In the public list of the design, for which a sketch's bytes are on record. */
  readonly isPublic: boolean;
  /** Small enough for every change's checks. */
  readonly isQuick: boolean;
  readonly old: Source;
  readonly new: Source;
}
