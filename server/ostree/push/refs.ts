import type { RepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { parseOstreeRef } from '../../../storage/ostree/ref-name.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { readJson } from '../../http/json-body.ts';
import { sendEmpty, sendJson } from '../../oci/respond.ts';
import type { OstreeOptions } from '../options.ts';
import { moveRef } from './move-ref.ts';

/** `PUT push/refs/{ref}`: moves a ref. */
export async function putRef(
  x: Exchange,
  options: OstreeOptions,
  repo: RepoName,
  name: string,
): Promise<void> {
  const ref = parseOstreeRef(name);
  const body = options.contract.check('OstreeRefRequest', (await readJson(x)).value);
  const commit = parseOstreeChecksum(body.commit);
  const expected = readExpected(body.expected);
  await moveRef(options, { repo, ref, commit, expected }, { signal: x.signal });
  sendJson(x.res, 200, { ref, commit });
}

/** `DELETE push/refs/{ref}`: the objects stay until the collector finds that nothing needs them. */
export async function deleteRef(
  x: Exchange,
  { catalog }: OstreeOptions,
  repo: RepoName,
  name: string,
): Promise<void> {
  const ref = parseOstreeRef(name);
  if (!(await catalog.ostree.deleteRef(repo, ref))) {
    throw new HttpError('not_found', `${repo} has no ref ${ref}`);
  }
  sendEmpty(x.res, 204);
}

/** `null` is a ref that must not be there yet. */
export function readExpected(
  text: string | null,
): ReturnType<typeof parseOstreeChecksum> | undefined | 'any' {
  if (text === null) return undefined;
  return text === 'any' ? text : parseOstreeChecksum(text);
}
