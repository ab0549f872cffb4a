/** One way to be let in, of a `WWW-Authenticate` (RFC 9110, 11.6.1). */
export interface AuthChallenge {
  /** In lower case. */
  readonly scheme: string;
  /** By name in lower case. */
  readonly parameters: ReadonlyMap<string, string>;
}

const MAX_LENGTH = 8192;
const TOKEN = "[!#$%&'*+.^_`|~0-9A-Za-z-]+";
const PART = new RegExp(
  `[\\s,]*(?:(?<name>${TOKEN})\\s*=\\s*(?:"(?<quoted>(?:[^"\\\\]|\\\\.)*)"|(?<plain>[^\\s,"]+))|(?<scheme>${TOKEN}))`,
  'y',
);

/** The challenges of a header, up to where it stops being one. */
export function parseChallenges(header: string): readonly AuthChallenge[] {
  const text = header.slice(0, MAX_LENGTH);
  const found: { readonly scheme: string; readonly parameters: Map<string, string> }[] = [];
  const pattern = new RegExp(PART);
  for (;;) {
    const groups = pattern.exec(text)?.groups;
    if (groups === undefined) return found;
    const { name, quoted, plain, scheme } = groups;
    if (scheme !== undefined) {
      found.push({ scheme: scheme.toLowerCase(), parameters: new Map() });
    } else if (name !== undefined) {
      const value = quoted?.replaceAll(/\\(.)/g, '$1') ?? plain ?? '';
      found.at(-1)?.parameters.set(name.toLowerCase(), value);
    }
  }
}
