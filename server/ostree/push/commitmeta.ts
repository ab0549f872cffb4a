import { MAX_COMMITMETA_BYTES } from '../../../storage/catalog/ostree-catalog.ts';
import type { RepoName } from '../../../storage/names.ts';
import { parseOstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { readBody } from '../../http/body.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendEmpty } from '../../oci/respond.ts';
import type { OstreeOptions } from '../options.ts';
import { addCommitmeta } from '../signing/add-commitmeta.ts';

/** `PUT push/commitmeta/{commit}`: signatures come to those that are there, other keys are replaced. */
export async function putCommitmeta(
  x: Exchange,
  { catalog }: OstreeOptions,
  repo: RepoName,
  checksum: string,
): Promise<void> {
  const commit = parseOstreeChecksum(checksum);
  const bytes = await readBody(
    x.req,
    MAX_COMMITMETA_BYTES,
    () => new HttpError('too_large', `a commitmeta has at most ${MAX_COMMITMETA_BYTES} bytes`),
  );
  await addCommitmeta(catalog, repo, commit, bytes);
  sendEmpty(x.res, 204);
}
