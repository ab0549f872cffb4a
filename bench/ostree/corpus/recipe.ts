/** A tree before and after an update, as the bench makes it of public packages. */
export interface Recipe {
  /** For `--only` and the folder in the corpus. */
  readonly name: string;
  /** Of what, in the report. */
  readonly title: string;
  /** All that the trees are made of; another text makes other trees. */
  readonly inputs: string;
  /**
   * Unpacks both trees into two empty folders. `cache` is the corpus's folder, for what has to be
   * fetched. Resolves to a name for each thing that is gone and was left out of both trees; throws
   * when the trees are not to be had.
   */
  unpack(trees: Trees, cache: string): Promise<readonly string[]>;
}

/** Folders of the two trees. */
export interface Trees {
  readonly before: string;
  readonly after: string;
}
