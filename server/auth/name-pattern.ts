/**
 * True if a pattern stands for the name, both split at slashes: `*` is any run of characters within
 * one part, a part `**` any number of whole parts, none included.
 */
export function matchesPattern(pattern: string, name: string): boolean {
  return matchesRun(pattern.split('/'), name.split('/'), '**', matchesPart);
}

function matchesPart(pattern: string, part: string): boolean {
  return matchesRun(Array.from(pattern), Array.from(part), '*', (one, other) => one === other);
}

/**
 * Matches item by item, `wild` standing for any run. Only the last `wild` is ever taken up again: what
 * earlier ones took can't matter. So the time is at most the product of the lengths, for any pattern.
 */
function matchesRun(
  pattern: readonly string[],
  items: readonly string[],
  wild: string,
  matchesOne: (pattern: string, item: string) => boolean,
): boolean {
  let [p, i] = [0, 0];
  let retry: { readonly p: number; readonly i: number } | undefined;
  while (i < items.length) {
    const [here, item] = [pattern[p], items[i] ?? ''];
    if (here === wild) {
      retry = { p: p + 1, i: i + 1 };
      p += 1;
    } else if (here !== undefined && matchesOne(here, item)) {
      [p, i] = [p + 1, i + 1];
    } else if (retry !== undefined) {
      [p, i] = [retry.p, retry.i];
      retry = { p: retry.p, i: retry.i + 1 };
    } else {
      return false;
    }
  }
  return pattern.slice(p).every((left) => left === wild);
}
