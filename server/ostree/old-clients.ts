import type { RepoName } from '../../storage/names.ts';
import type { Exchange } from '../http/exchange.ts';

/** From here on clients wait for a delta themselves: ostree#2926. */
const FIRST_PATIENT = { year: 2023, release: 7 };

/** A client that does not wait for the deltas that it fetches. */
export function isHasty({ req }: Exchange): boolean {
  const match = /\blibostree\/(\d{4})\.(\d{1,3})\b/.exec(req.headers['user-agent'] ?? '');
  if (match === null) return false;
  const [year, release] = [Number(match[1]), Number(match[2])];
  return year === FIRST_PATIENT.year ? release < FIRST_PATIENT.release : year < FIRST_PATIENT.year;
}

/** One client of a repository, over all its connections: by address, user agent and account. */
export function clientKey({ address, principal, req }: Exchange, repo: RepoName): string {
  return JSON.stringify([address, req.headers['user-agent'], principal?.name, repo]);
}
