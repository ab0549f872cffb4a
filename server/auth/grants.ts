import { matchesPattern } from './name-pattern.ts';

/** What a caller may do with a repository; every other verb lets it read as well, `admin` everything. */
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
    const [granted, pattern] = split(grant);
    return covers(granted, verb) && matchesPattern(pattern, repo);
  });
}

/**
 * True if any of the grants allows the verb on everything: reading blobs by digest, which belong to no
 * repository (`pull`), or running the server (`admin`).
 */
export function allowsAll(grants: readonly string[], verb: Verb = 'pull'): boolean {
  return grants.some((grant) => {
    const [granted, pattern] = split(grant);
    return covers(granted, verb) && pattern === '**';
  });
}

/** `admin` is all of them; who may change something may read it. */
function covers(granted: string, verb: Verb): boolean {
  return granted === verb || granted === 'admin' || verb === 'pull';
}

function split(grant: string): readonly [verb: string, pattern: string] {
  const colon = grant.indexOf(':');
  return [grant.slice(0, colon), grant.slice(colon + 1)];
}
