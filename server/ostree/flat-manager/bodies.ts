/** The body of `POST /api/v1/build`. */
export interface FlatManagerBuild {
  readonly repo: string;
}

/** The body of `POST /api/v1/build/{id}/build_ref`. */
export interface FlatManagerRef {
  readonly ref: string;
  readonly commit: string;
}

/** The body of `GET /api/v1/build/{id}/missing_objects`: file names of objects. */
export interface FlatManagerWanted {
  readonly wanted: readonly string[];
}
