import { sendJson } from '../../oci/respond.ts';
import type { Exchange } from '../../http/exchange.ts';
import type { Build } from './builds.ts';

/** What the client reads of a build; the rest of flat-manager's fields are of no use to it. */
export function buildBody({ id, repo }: Build, isPublished: boolean): object {
  return { id, repo, published_state: isPublished ? 2 : 0 };
}

/** `Location` is where the build's other routes are; the client takes no relative one. */
export function sendBuild(x: Exchange, build: Build, isPublished: boolean, baseUrl: string): void {
  const Location = `${baseUrl}/api/v1/build/${build.id}`;
  sendJson(x.res, 200, buildBody(build, isPublished), { Location });
}

/** A job that is done already: all work is done before the answer. */
export function sendJob(x: Exchange, { id, repo }: Build, kind: string, baseUrl: string): void {
  const Location = `${baseUrl}/api/v1/build/${id}/job/${kind}`;
  const job = { id: `${id}/${kind}`, kind, status: 2, repo, results: '{}', log: '' };
  sendJson(x.res, 200, job, { Location });
}
