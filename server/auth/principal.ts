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
