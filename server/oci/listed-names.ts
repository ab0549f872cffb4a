/** Names asked for at once, at least: those that are left out have to be read too. */
const MIN_BATCH = 1000;

export interface ListVisibleOptions<T extends string> {
  /** Exclusive. */
  readonly last: string | undefined;
  readonly limit: number;
  readonly isVisible: (name: T) => boolean;
}

/** The first `limit` names that may be seen, read in batches until there are enough. */
export async function listVisible<T extends string>(
  list: (last: string | undefined, limit: number) => Promise<readonly T[]>,
  { last, limit, isVisible }: ListVisibleOptions<T>,
): Promise<readonly T[]> {
  const batch = Math.max(limit, MIN_BATCH);
  const found: T[] = [];
  let after = last;
  while (found.length < limit) {
    const names = await list(after, batch);
    found.push(...names.filter((name) => isVisible(name)));
    after = names.at(-1);
    if (names.length < batch) break;
  }
  return found.slice(0, limit);
}
