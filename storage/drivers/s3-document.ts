import { IncomingMessage } from 'node:http';
import { Socket } from 'node:net';

import { StorageError } from '../errors.ts';
import { readShort } from './s3-bytes.ts';
import { parseErrorCode, s3Error } from './s3-errors.ts';

/** A page of 1000 keys of 1 KiB each, all escaped, is shorter. */
const MAX_DOCUMENT_BYTES = 8 * 1024 * 1024;

/**
 * The answer to a call of the minio client, read whole before the client's own parser sees it. S3's
 * documents never declare a document type: one that does, and so may bring entities, is refused
 * unparsed. An error that came under 200, as completing an upload or copying may answer, is thrown as
 * the error that it is; so is an answer that ends early.
 */
export async function checkDocument(
  response: IncomingMessage,
  what: string,
): Promise<IncomingMessage> {
  const body = await readShort(response, MAX_DOCUMENT_BYTES);
  if (body === undefined) {
    throw new StorageError(
      'unavailable',
      `${what}: an answer of more than ${MAX_DOCUMENT_BYTES} bytes`,
      { retryable: false },
    );
  }
  const text = body.toString('utf8');
  if (/<!(?:DOCTYPE|ENTITY)/i.test(text)) {
    throw new StorageError('unavailable', `${what}: an answer with a document type: not S3`, {
      retryable: false,
    });
  }
  const s3Code = text.includes('<Error') ? parseErrorCode(text) : undefined;
  if (s3Code !== undefined) throw s3Error(what, s3Code, response.statusCode ?? 0);
  const whole = new IncomingMessage(new Socket());
  whole.statusCode = response.statusCode;
  whole.headers = response.headers;
  whole.push(body);
  whole.push(null);
  return whole;
}
