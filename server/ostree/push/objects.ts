import type { RepoName } from '../../../storage/names.ts';
import { parseObjectFileName } from '../../../delta/ostree/objects/object-name.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';
import { writeObjects } from '../../../storage/ostree/object-writer.ts';
import { bodySource } from '../../http/body.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';
import { sendJson } from '../../oci/respond.ts';
import type { OstreeOptions } from '../options.ts';
import { incomingObject } from './incoming.ts';
import { MAX_PUSH_OBJECTS } from './limits.ts';
import { multipartBoundary, readMultipart } from './multipart.ts';

/**
 * `POST push/objects`: takes the objects of a multipart body, each a part whose file name is its name,
 * and answers how many there were. What came before a fault is kept, also when the client leaves.
 */
export async function pushObjects(
  x: Exchange,
  options: OstreeOptions,
  repo: RepoName,
): Promise<void> {
  const { objects } = await takeObjects(x, options, repo);
  sendJson(x.res, 200, { objects });
}

/**
 * Stores the objects of a multipart body, those apart that `isSkipped` says by their file names. No
 * signal: a client that left has sent what it has sent.
 */
export async function takeObjects(
  x: Exchange,
  { blobs, catalog, scratch }: Pick<OstreeOptions, 'blobs' | 'catalog' | 'scratch'>,
  repo: RepoName,
  isSkipped: (fileName: string) => boolean = () => false,
): Promise<{ readonly objects: number }> {
  const boundary = multipartBoundary(x.req.headers['content-type']);
  return writeObjects(incomingObjects(x, boundary, isSkipped), { blobs, catalog, repo, scratch });
}

async function* incomingObjects(
  x: Exchange,
  boundary: string,
  isSkipped: (fileName: string) => boolean,
): AsyncGenerator<IncomingObject, void> {
  let count = 0;
  for await (const { fileName, body } of readMultipart(bodySource(x.req), boundary)) {
    count += 1;
    if (count > MAX_PUSH_OBJECTS) {
      throw new HttpError('too_large', `a request brings at most ${MAX_PUSH_OBJECTS} objects`);
    }
    if (fileName === undefined) {
      throw new HttpError('invalid_body', `part ${count} of the body has no file name`);
    }
    if (!isSkipped(fileName)) yield await incomingObject(parseObjectFileName(fileName), body);
  }
}
