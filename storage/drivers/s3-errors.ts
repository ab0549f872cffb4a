import type { IncomingMessage } from 'node:http';
import { XMLParser } from 'fast-xml-parser';

import { errnoOf } from '../durable.ts';
import { StorageError, type StorageErrorCode } from '../errors.ts';
import { readShort } from './s3-bytes.ts';

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
  'TooManyRequests',
  // The body was damaged or cut on its way there.
  'BadDigest',
  'IncompleteBody',
  'XAmzContentSHA256Mismatch',
]);

/** Codes of TLS that no repetition helps. */
const TLS_CODES = /^(?:CERT_|ERR_TLS|UNABLE_TO|DEPTH_ZERO|SELF_SIGNED|HOSTNAME_)/;

/** Clocks may differ by 15 minutes (S3 API reference, "Authenticating requests"); a minute is no fault. */
const SKEW_SECONDS = 60;

/** Reads what an S3 server says went wrong; consumes the response. */
export async function readS3Error(response: IncomingMessage, what: string): Promise<StorageError> {
  const status = response.statusCode ?? 0;
  const { 'x-minio-error-code': header, date, 'retry-after': retryAfter } = response.headers;
  const code =
    parseErrorCode((await readShort(response, MAX_ERROR_BYTES))?.toString('utf8') ?? '') ??
    (typeof header === 'string' ? header : undefined);
  return s3Error(what, code ?? `HTTP ${status}`, status, {
    skewSeconds: skewOf(date),
    retryAfterMs: retryAfterMs(retryAfter),
  });
}

/** What the head of an answer tells beside its code. */
interface AnswerFacts {
  /** How far this machine's clock is ahead of the server's. */
  readonly skewSeconds?: number | undefined;
  readonly retryAfterMs?: number | undefined;
}

/** A fault by its S3 code; the status decides whether another try may help. */
export function s3Error(
  what: string,
  s3Code: string,
  status: number,
  facts: AnswerFacts = {},
): StorageError {
  const code = S3_CODES[s3Code] ?? (status === 507 ? 'no_space' : 'unavailable');
  const retryable =
    code === 'unavailable' &&
    (status >= 500 || status === 408 || status === 429 || RETRYABLE_CODES.has(s3Code));
  const { retryAfterMs: askedMs } = facts;
  return new StorageError(code, `${what}: ${s3Code}${adviceFor(s3Code, status, facts)}`, {
    detail: { s3Code, status, ...(askedMs === undefined ? {} : { retryAfterMs: askedMs }) },
    retryable,
  });
}

/** True for an error of the store that carries this S3 code. */
export function hasS3Code(error: unknown, s3Code: string): boolean {
  return error instanceof StorageError && error.detail['s3Code'] === s3Code;
}

/** Seconds or a date (RFC 9110, 10.2.3); undefined for anything else. */
function retryAfterMs(header: string | undefined): number | undefined {
  if (header === undefined) return undefined;
  if (/^\d{1,9}$/.test(header)) return Number(header) * 1000;
  const ms = Date.parse(header) - Date.now();
  return Number.isNaN(ms) ? undefined : Math.max(0, ms);
}

function skewOf(date: string | undefined): number | undefined {
  const server = Date.parse(date ?? '');
  return Number.isNaN(server) ? undefined : Math.round((Date.now() - server) / 1000);
}

/** A failed connection or an error of the minio client as a `StorageError`. */
export function fromS3Failure(error: unknown, what: string): StorageError {
  if (error instanceof StorageError) return error;
  const code = errnoOf(error);
  // Codes of sockets and TLS (ECONNRESET, CERT_HAS_EXPIRED, ERR_...) come in capitals, S3's in camel case.
  if (code !== undefined && /^[A-Z0-9_]+$/.test(code)) {
    const tls = TLS_CODES.test(code);
    const advice = tls
      ? 'is the S3 server’s certificate right, and its authority known (NODE_EXTRA_CA_CERTS)?'
      : 'is the S3 endpoint up and reachable?';
    return new StorageError('unavailable', `${what}: ${code}: ${advice}`, {
      cause: error,
      retryable: !tls,
    });
  }
  if (code !== undefined) return s3Error(what, code, 0);
  const reason = error instanceof Error ? error.name : typeof error;
  return new StorageError('unavailable', `${what}: an answer that is not understood (${reason})`, {
    cause: error,
  });
}

function adviceFor(s3Code: string, status: number, { skewSeconds }: AnswerFacts): string {
  const skewed = skewSeconds !== undefined && Math.abs(skewSeconds) > SKEW_SECONDS;
  // Presigned requests outside their time are refused as AccessDenied.
  if (s3Code === 'RequestTimeTooSkewed' || (status === 403 && skewed)) {
    const by =
      skewSeconds === undefined || skewSeconds === 0
        ? 'differs from the server’s'
        : `is ${Math.abs(skewSeconds)} seconds ${skewSeconds > 0 ? 'ahead of' : 'behind'} the server’s`;
    return `: this machine’s clock ${by}: set it (NTP)`;
  }
  switch (s3Code) {
    case 'NoSuchBucket':
      return ': create the bucket or correct its name';
    case 'HTTP 403':
    case 'AccessDenied':
    case 'InvalidAccessKeyId':
    case 'SignatureDoesNotMatch':
      return ': check the access key, the secret key and the rights of the key';
    case 'NoSuchUpload':
      return ': the multipart upload was aborted on the server: send it again, and look for a lifecycle rule that aborts too soon';
    case 'SlowDown':
    case 'TooManyRequests':
      return ': the S3 server is asked for more than it can do';
    case 'PermanentRedirect':
    case 'AuthorizationHeaderMalformed':
      return ': check the endpoint and the region';
    default:
      return '';
  }
}

/** The code in an S3 error document; undefined for anything else. Entities are never expanded. */
export function parseErrorCode(xml: string): string | undefined {
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
