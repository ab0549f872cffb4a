import { objectFileName, parseObjectFileName } from '../../../delta/ostree/objects/object-name.ts';
import { parseChecksum } from '../../../delta/ostree/objects/checksum.ts';
import type { RepoName } from '../../../storage/names.ts';
import { missingObjects } from '../../../storage/ostree/missing-objects.ts';
import type { Exchange } from '../../http/exchange.ts';
import { readJson } from '../../http/json-body.ts';
import { sendJson } from '../../oci/respond.ts';
import type { OstreeOptions } from '../options.ts';
import { MAX_MISSING_BODY_BYTES } from './limits.ts';

/** `POST push/missing`: those of the objects that have to be sent, in their order. */
export async function askMissing(
  x: Exchange,
  options: OstreeOptions,
  repo: RepoName,
): Promise<void> {
  const { value } = await readJson(x, MAX_MISSING_BODY_BYTES);
  const { objects } = options.contract.check('OstreeMissingRequest', value);
  sendJson(x.res, 200, { missing: await missingOf(options, repo, objects, x.signal) });
}

/** Those of the file names that the repository lacks. */
export async function missingOf(
  options: OstreeOptions,
  repo: RepoName,
  objects: readonly string[],
  signal: AbortSignal,
): Promise<readonly string[]> {
  const names = objects.map(parseObjectFileName);
  const missing = await missingObjects(options, repo, names, { signal });
  return missing.map(({ kind, checksum }) =>
    objectFileName({ kind, checksum: parseChecksum(checksum) }),
  );
}
