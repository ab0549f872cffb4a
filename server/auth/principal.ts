import { matchesPattern } from './name-pattern.ts';

/**
 * Who makes a request. Names: `anonymous`; `token:NAME`; of a client certificate `uri:...` (URI SAN,
 * a SPIFFE ID among them), `dns:...` (DNS SAN) or `cn:...` (subject). In the configuration's `access`
 * a name may hold `*` for one part between slashes and `**` for any number of them.
 */
export interface Principal {
  readonly name: string;
  /** All that it may do, as `verb:pattern`; what `anonymous` may do is in it. */
  readonly grants: readonly string[];
}

export const PRINCIPAL_PATTERN = '^(anonymous|(token|uri|dns|cn):.+)$';

/** Grants by principal, as configured. */
export type AccessRules = Readonly<Record<string, readonly string[]>>;

/** What the rules grant to the holder of all these names; what `anonymous` may do is not in it. */
export function grantsByRule(rules: AccessRules, names: readonly string[]): readonly string[] {
  return Object.entries(rules).flatMap(([pattern, grants]) =>
    names.some((name) => isMeant(pattern, name)) ? grants : [],
  );
}

/** The kind has to be the same; `uri:**` is every URI. DNS names are told apart without their case. */
function isMeant(pattern: string, name: string): boolean {
  const [kind, patternRest] = split(pattern);
  const [nameKind, rest] = split(name);
  if (kind !== nameKind || patternRest === undefined || rest === undefined) return false;
  return matchesPattern(kind === 'dns' ? patternRest.toLowerCase() : patternRest, rest);
}

function split(name: string): readonly [kind: string, rest: string | undefined] {
  const colon = name.indexOf(':');
  return colon < 0 ? [name, undefined] : [name.slice(0, colon), name.slice(colon + 1)];
}
