import type { IncomingMessage } from 'node:http';
import { XMLParser } from 'fast-xml-parser';

import { errnoOf } from '../durable.ts';
import { StorageError, type StorageErrorCode } from '../errors.ts';

/** An error document is short; whatever is longer is not one. */
const MAX_ERROR_BYTES = 64 * 1024;

/** S3 error codes that are not `unavailable` (S3 API reference, "Error responses"; MinIO's own). */
const S3_CODES: Readonly<Record<string, StorageErrorCode>> = {
  NoSuchKey: 'missing',
  InvalidRange: 'range_unsatisfiable',
  EntityTooLarge: 'too_large',
  QuotaExceeded: 'no_space',
  XMinioAdminBucketQuotaExceeded: 'no_space',
  XMinioStorageFull: 'no_space',
};

/** Answers of a server that may do better the next time. */
const RETRYABLE_CODES = new Set([
  'SlowDown',
  'InternalError',
  'ServiceUnavailable',
  'RequestTimeout',
  'OperationAborted',
]);

/** Reads what an S3 server says went wrong; consumes the response. */
export async function readS3Error(response: IncomingMessage, what: string): Promise<StorageError> {
  const status = response.statusCode ?? 0;
  const header = response.headers['x-minio-error-code'];
  const code =
    parseErrorCode(await readBounded(response)) ??
    (typeof header === 'string' ? header : undefined);
  return s3Error(what, code ?? `HTTP ${status}`, status);
}

/** A fault by its S3 code; the status decides whether another try may help. */
export function s3Error(what: string, s3Code: string, status: number): StorageError {
  const code = S3_CODES[s3Code] ?? (status === 507 ? 'no_space' : 'unavailable');
  const retryable =
    code === 'unavailable' &&
    (status >= 500 || status === 408 || status === 429 || RETRYABLE_CODES.has(s3Code));
  return new StorageError(code, `${what}: ${s3Code}${adviceFor(s3Code)}`, {
    detail: { s3Code, status },
    retryable,
  });
}

/** A failed connection or an error of the minio client as a `StorageError`. */
export function fromS3Failure(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = errnoOf(error);
  // Codes of sockets and TLS (ECONNRESET, CERT_HAS_EXPIRED, ERR_...) come in capitals, S3's in camel case.
  if (code !== undefined && /^[A-Z0-9_]+$/.test(code)) {
    return new StorageError(
      'unavailable',
      `${what}: ${code}: is the S3 endpoint up and reachable?`,
      { cause: error },
    );
  }
  if (code !== undefined) return s3Error(what, code, 0);
  const reason = error instanceof Error ? error.name : typeof error;
  return new StorageError('unavailable', `${what}: an answer that is not understood (${reason})`, {
    cause: error,
  });
}

function adviceFor(s3Code: string): string {
  switch (s3Code) {
    case 'NoSuchBucket':
      return ': create the bucket or correct its name';
    case 'AccessDenied':
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return ': check the access key, the secret key and the rights of the key';
    case 'RequestTimeTooSkewed':
      return ': set this machine’s clock';
    default:
      return '';
  }
}

/** The code in an S3 error document; undefined for anything else. Entities are never expanded. */
function parseErrorCode(xml: string): string | undefined {
  const parser = new XMLParser({
    processEntities: false,
    ignoreAttributes: true,
    parseTagValue: false,
  });
  let document: unknown;
  try {
    document = parser.parse(xml);
  } catch {
    // A proxy's HTML page, say: the status is all there is to tell.
    return undefined;
  }
  if (typeof document !== 'object' || document === null || !('Error' in document)) return undefined;
  const { Error: body } = document;
  if (typeof body !== 'object' || body === null || !('Code' in body)) return undefined;
  return typeof body.Code === 'string' && /^[A-Za-z0-9]{1,100}$/.test(body.Code)
    ? body.Code
    : undefined;
}

async function readBounded(response: IncomingMessage): Promise<string> {
  const parts: Buffer[] = [];
  let size = 0;
  for await (const part of response) {
    const bytes = part as Buffer;
    size += bytes.length;
    if (size > MAX_ERROR_BYTES) break;
    parts.push(bytes);
  }
  return Buffer.concat(parts).toString('utf8');
}
