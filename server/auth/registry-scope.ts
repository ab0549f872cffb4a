import { parseRepoName } from '../../storage/names.ts';
import { allows, type Verb } from './grants.ts';

/** A scope of the registry token flow: `repository:NAME:pull,push`, or `registry:catalog:*`. */
export type RegistryScope =
  | { readonly type: 'repository'; readonly name: string; readonly actions: readonly Verb[] }
  | { readonly type: 'catalog' };

/** More of them would make a token that no longer fits into a header. */
const MAX_SCOPES = 100;

const ACTIONS: readonly Verb[] = ['pull', 'push', 'delete'];

/**
 * Reads scopes, each text several of them with spaces between. Unknown types and actions and names
 * that are none are left out, as are scopes beyond the 100th: what is granted may be less than what was asked for.
 */
export function parseScopes(texts: readonly string[]): readonly RegistryScope[] {
  const actions = new Map<string, Set<Verb>>();
  let catalog = false;
  for (const text of texts.flatMap((one) => one.split(/\s+/))) {
    const scope = parseScope(text);
    if (scope?.type === 'catalog') catalog = true;
    if (scope?.type !== 'repository') continue;
    const known = actions.get(scope.name) ?? new Set();
    if (known.size === 0 && actions.size >= MAX_SCOPES) continue;
    actions.set(scope.name, new Set([...known, ...scope.actions]));
  }
  const repositories = [...actions].map(([name, asked]) => ({
    type: 'repository' as const,
    name,
    actions: ACTIONS.filter((action) => asked.has(action)),
  }));
  return catalog ? [...repositories, { type: 'catalog' }] : repositories;
}

/** A name may hold colons (a host with a port): types and actions never do. */
function parseScope(text: string): RegistryScope | undefined {
  const [, type, name = '', list = ''] = /^([^:]+):(.+):([^:]*)$/.exec(text) ?? [];
  if (type === 'registry' && name === 'catalog') return { type: 'catalog' };
  if (type !== 'repository' || !isRepoName(name)) return undefined;
  const asked = list.split(',');
  const actions = ACTIONS.filter((action) => asked.includes(action) || asked.includes('*'));
  return actions.length === 0 ? undefined : { type, name, actions };
}

function isRepoName(text: string): boolean {
  try {
    parseRepoName(text);
    return true;
  } catch {
    return false;
  }
}

/** As they are written; `parseScopes` reads it back. */
export function formatScopes(scopes: readonly RegistryScope[]): string {
  return scopes
    .map((scope) =>
      scope.type === 'catalog'
        ? 'registry:catalog:*'
        : `repository:${scope.name}:${scope.actions.join(',')}`,
    )
    .join(' ');
}

/** The part of the scopes that the grants cover. */
export function grantedScopes(
  scopes: readonly RegistryScope[],
  grants: readonly string[],
): readonly RegistryScope[] {
  return scopes.flatMap((scope): readonly RegistryScope[] => {
    if (scope.type === 'catalog') return grants.length === 0 ? [] : [scope];
    const actions = scope.actions.filter((action) => allows(grants, action, scope.name));
    return actions.length === 0 ? [] : [{ ...scope, actions }];
  });
}

/** Scopes as grants: names of repositories are patterns that stand for themselves. */
export function grantsOfScopes(scopes: readonly RegistryScope[]): readonly string[] {
  return scopes.flatMap((scope) =>
    scope.type === 'catalog' ? [] : scope.actions.map((action) => `${action}:${scope.name}`),
  );
}
