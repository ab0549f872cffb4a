import { checksumOf, verifyChecksum } from '../../../delta/ostree/objects/checksum.ts';
import { formatStreamHeader } from '../../../delta/ostree/objects/file-header.ts';
import { readFilez } from '../../../delta/ostree/objects/filez-read.ts';
import { OBJECT_LIMITS } from '../../../delta/ostree/objects/limits.ts';
import type { MetadataKind, ObjectName } from '../../../delta/ostree/objects/object-name.ts';
import { metadataObject } from '../../../delta/ostree/objects/stored-object.ts';
import { DeltaError } from '../../../delta/errors.ts';
import type { IncomingObject } from '../../../storage/ostree/object-batch.ts';

import { namingObject, refusedObject } from './bad-object.ts';

/**
 * An object of a push as it streams in: `.filez` as header and content, metadata as it is. Throws
 * `bad_object` or `too_large`, naming it, for what is not as its name says; a file's content does so
 * in place of its end. Errors of the body pass through.
 */
export async function incomingObject(
  name: ObjectName,
  body: AsyncIterable<Buffer>,
): Promise<IncomingObject> {
  const { kind } = name;
  return kind === 'file' ? incomingFile(name, body) : incomingMetadata(name, kind, body);
}

async function incomingFile(
  name: ObjectName,
  body: AsyncIterable<Buffer>,
): Promise<IncomingObject> {
  try {
    const filez = await readFilez(body, { checksum: name.checksum });
    return {
      name: name,
      header: formatStreamHeader(filez.header),
      size: filez.size,
      content: namingObject(name, filez.content),
      children: [],
    };
  } catch (error) {
    throw refusedObject(name, error);
  }
}

async function incomingMetadata(
  name: ObjectName,
  kind: MetadataKind,
  body: AsyncIterable<Buffer>,
): Promise<IncomingObject> {
  try {
    const bytes = await readMetadata(kind, body);
    verifyChecksum(checksumOf(bytes), name.checksum, `a ${kind}`);
    return metadataObject(kind, name.checksum, bytes);
  } catch (error) {
    throw refusedObject(name, error);
  }
}

async function readMetadata(kind: MetadataKind, body: AsyncIterable<Buffer>): Promise<Buffer> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of body) {
    size += part.length;
    if (size > OBJECT_LIMITS.metadataBytes) {
      throw new DeltaError(
        'too_large',
        `a ${kind} has at most ${OBJECT_LIMITS.metadataBytes} bytes, this one has more`,
      );
    }
    parts.push(part);
  }
  return Buffer.concat(parts, size);
}
