/** A request below `/ostree/`: a repository, not yet checked, and a path inside of it. */
export interface OstreePath {
  readonly repo: string;
  readonly inside: string;
}

const PREFIX = '/ostree/';
/** What the files of an archive repository begin with, and `push`. */
const INSIDE =
  /^(.+?)\/((?:config|summary|summary\.sig)$|(?:objects|refs|deltas|delta-indexes|push)\/.*$)/s;

/** True for what {@link splitOstreePath} is for. */
export function isOstreePath(path: string): boolean {
  return path.startsWith(PREFIX);
}

/**
 * Tells the repository's name, which may hold slashes, from the path inside: the name ends before the
 * first part that can be in a repository, whatever follows. Refs hold slashes too, so a repository
 * with such a part in its name (`os/objects`) can't be reached. Undefined when no part is one.
 */
export function splitOstreePath(path: string): OstreePath | undefined {
  const [, repo, inside] = INSIDE.exec(path.slice(PREFIX.length)) ?? [];
  return repo === undefined || inside === undefined ? undefined : { repo, inside };
}
