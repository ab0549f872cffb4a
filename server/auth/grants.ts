/** What a caller may do with a repository; `push` and `delete` let it read as well. */
export type Verb = 'pull' | 'push' | 'delete' | 'admin';

/**
 * A grant is `verb:pattern`: `push:edge/**`. In a pattern `*` stands for one part of a name and `**`
 * for any number of them, none included; `**` alone is everything, blobs by digest included.
 */
export const GRANT_PATTERN = '^(pull|push|delete|admin):[a-z0-9._/*-]+$';

const GRANT = new RegExp(GRANT_PATTERN);

/** True if the text is a grant. */
export function isGrant(text: string): boolean {
  return GRANT.test(text);
}

/** True if any of the grants allows the verb on that repository. */
export function allows(grants: readonly string[], verb: Verb, repo: string): boolean {
  return grants.some((grant) => {
    const colon = grant.indexOf(':');
    const granted = grant.slice(0, colon);
    const covers = granted === verb || verb === 'pull';
    return covers && matches(grant.slice(colon + 1).split('/'), repo.split('/'));
  });
}

/** True if any of the grants lets its holder read everything: what digests alone need. */
export function allowsAll(grants: readonly string[]): boolean {
  return grants.some((grant) => grant.endsWith(':**'));
}

function matches(pattern: readonly string[], name: readonly string[]): boolean {
  const [head, ...rest] = pattern;
  if (head === undefined) return name.length === 0;
  if (head === '**') {
    return Array.from({ length: name.length + 1 }).some((_, skipped) =>
      matches(rest, name.slice(skipped)),
    );
  }
  const [part, ...others] = name;
  return part !== undefined && matchesPart(head, part) && matches(rest, others);
}

function matchesPart(pattern: string, part: string): boolean {
  const [first = '', ...more] = pattern.split('*');
  if (more.length === 0) return first === part;
  if (!part.startsWith(first)) return false;
  const last = more.at(-1) ?? '';
  let at = first.length;
  for (const piece of more.slice(0, -1)) {
    const found = part.indexOf(piece, at);
    if (found < 0) return false;
    at = found + piece.length;
  }
  return part.length - at >= last.length && part.endsWith(last);
}
