import { Readable } from 'node:stream';

import { isSymlink, parseStreamHeader } from '../../delta/ostree/objects/file-header.ts';
import { writeFilez } from '../../delta/ostree/objects/filez-write.ts';
import { digestFromBytes } from '../../storage/digest.ts';
import { StorageError } from '../../storage/errors.ts';
import type { OstreeObjectRow } from '../../storage/catalog/ostree-catalog.ts';
import type { RepoName } from '../../storage/names.ts';
import { ostreeChecksumBytes } from '../../storage/ostree/checksum.ts';
import { formatObjectName, type OstreeObjectName } from '../../storage/ostree/object-name.ts';
import type { Exchange } from '../http/exchange.ts';
import { HttpError } from '../http/errors.ts';
import { sendBlob, sendFile } from '../http/send-blob.ts';
import type { OstreeOptions } from './options.ts';
import { openObject } from './read-object.ts';

type Place = Pick<OstreeOptions, 'blobs' | 'catalog' | 'filez'>;

/**
 * Answers a GET or HEAD for `objects/xx/rest.ext`. A metadata object's ETag is its checksum; that of a
 * `.filez` the sha256 of its bytes, which are made before the answer begins when they are not there.
 */
export async function sendObject(
  x: Exchange,
  place: Place,
  repo: RepoName,
  name: OstreeObjectName,
): Promise<void> {
  const row = await place.catalog.ostree.object(repo, name);
  if (row === undefined) {
    throw new HttpError('not_found', `${repo} has no ${formatObjectName(name)}`);
  }
  if (name.kind === 'file') {
    const { file, digest } = await place.filez.open(name.checksum, () => filezOf(place, name, row));
    await sendFile(x, { digest }, file);
    return;
  }
  const digest = digestFromBytes(ostreeChecksumBytes(name.checksum));
  await sendBlob(x, {
    digest,
    size: row.size,
    open: (range, signal) =>
      Promise.resolve(Readable.from(openObject(place, name, { range, signal }))),
  });
}

function filezOf(
  place: Place,
  name: OstreeObjectName,
  row: OstreeObjectRow,
): AsyncIterable<Uint8Array> {
  if (row.header === undefined) {
    throw new StorageError('corrupt', `${formatObjectName(name)} has no header`);
  }
  const header = parseStreamHeader(row.header);
  const content = isSymlink(header) ? [] : openObject(place, name);
  return writeFilez({ header, size: row.size }, content);
}
