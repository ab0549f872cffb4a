import type { RepoName } from '../../../storage/names.ts';

/** The path of a repository's file at the origin, percent-encoded: a `+` is a plus there in any case. */
export function originPath(repo: RepoName, inside: string): string {
  return `/ostree/${repo}/${inside.split('/').map(encodeURIComponent).join('/')}`;
}
