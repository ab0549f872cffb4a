import type { ServerResponse } from 'node:http';

import { CodedError, StorageError, type CodedErrorOptions } from '../../storage/errors.ts';
import type { StorageErrorCode } from '../../storage/errors.ts';
import { HttpError, problemOf, type HttpErrorCode } from '../http/errors.ts';
import { sendJson } from './respond.ts';

/** Error codes of OCI distribution 1.1 ("Error Codes"), and two for faults of ours. */
export type OciErrorCode =
  | 'BLOB_UNKNOWN'
  | 'BLOB_UPLOAD_INVALID'
  | 'BLOB_UPLOAD_UNKNOWN'
  | 'DIGEST_INVALID'
  | 'MANIFEST_BLOB_UNKNOWN'
  | 'MANIFEST_INVALID'
  | 'MANIFEST_UNKNOWN'
  | 'NAME_INVALID'
  | 'NAME_UNKNOWN'
  | 'SIZE_INVALID'
  | 'UNAUTHORIZED'
  | 'DENIED'
  | 'UNSUPPORTED'
  | 'TOOMANYREQUESTS'
  | 'UNAVAILABLE'
  | 'UNKNOWN';

const STATUS = {
  BLOB_UNKNOWN: 404,
  BLOB_UPLOAD_INVALID: 416,
  BLOB_UPLOAD_UNKNOWN: 404,
  DIGEST_INVALID: 400,
  MANIFEST_BLOB_UNKNOWN: 404,
  MANIFEST_INVALID: 400,
  MANIFEST_UNKNOWN: 404,
  NAME_INVALID: 400,
  NAME_UNKNOWN: 404,
  SIZE_INVALID: 400,
  UNAUTHORIZED: 401,
  DENIED: 403,
  UNSUPPORTED: 405,
  TOOMANYREQUESTS: 429,
  UNAVAILABLE: 503,
  UNKNOWN: 500,
} as const satisfies Record<OciErrorCode, number>;

/** Every {@link OciErrorCode}; openapi.yaml lists the same. */
export const OCI_ERROR_CODES: ReadonlySet<string> = new Set(Object.keys(STATUS));

/** What a refusal of the server is to a registry client; the specification has no code for the rest. */
const FROM_HTTP: Partial<Record<HttpErrorCode, OciErrorCode>> = {
  unauthorized: 'UNAUTHORIZED',
  denied: 'DENIED',
  too_large: 'SIZE_INVALID',
  range_unsatisfiable: 'SIZE_INVALID',
  rate_limited: 'TOOMANYREQUESTS',
  unavailable: 'UNAVAILABLE',
};

/** What an error of storage is to a registry client; `subject` stands for what the route is about. */
const FROM_STORAGE = {
  missing: 'subject',
  invalid_name: 'NAME_INVALID',
  digest_mismatch: 'DIGEST_INVALID',
  size_mismatch: 'SIZE_INVALID',
  corrupt: 'UNKNOWN',
  too_large: 'SIZE_INVALID',
  range_unsatisfiable: 'SIZE_INVALID',
  out_of_order: 'BLOB_UPLOAD_INVALID',
  conflict: 'BLOB_UPLOAD_INVALID',
  no_space: 'UNAVAILABLE',
  unavailable: 'UNAVAILABLE',
  aborted: 'UNAVAILABLE',
} as const satisfies Record<StorageErrorCode, OciErrorCode | 'subject'>;

/** Where the status says more than the code's own. */
const STORAGE_STATUS: Partial<Record<StorageErrorCode, number>> = {
  too_large: 413,
  range_unsatisfiable: 416,
  no_space: 507,
};

const RETRY_AFTER = { 'Retry-After': '5' } as const;

export interface OciErrorOptions extends CodedErrorOptions {
  /** Default: the code's own. */
  readonly status?: number | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** A refusal by the registry. */
export class OciError extends CodedError<OciErrorCode> {
  readonly status: number;
  readonly headers: Readonly<Record<string, string>>;

  constructor(code: OciErrorCode, message: string, options: OciErrorOptions = {}) {
    super(code, message, options);
    this.name = 'OciError';
    this.status = options.status ?? STATUS[code];
    this.headers = options.headers ?? {};
  }
}

/** The registry error that any error is; `missing` is the code for what the route is about. */
export function toOciError(error: unknown, missing: OciErrorCode): OciError {
  if (error instanceof OciError) return error;
  if (error instanceof StorageError) return fromStorage(error, missing);
  if (error instanceof HttpError) {
    const { status, headers } = problemOf(error) ?? { status: 500 };
    const code = FROM_HTTP[error.code] ?? 'UNSUPPORTED';
    return new OciError(code, error.message, { status, headers, cause: error });
  }
  return new OciError('UNKNOWN', 'the registry failed', { cause: error });
}

function fromStorage(error: StorageError, missing: OciErrorCode): OciError {
  const mapped = FROM_STORAGE[error.code];
  const code = mapped === 'subject' ? missing : mapped;
  const status = STORAGE_STATUS[error.code] ?? STATUS[code];
  if (status < 500) {
    return new OciError(code, error.message, { status, cause: error, detail: error.detail });
  }
  const message = messageOfFault(error);
  return new OciError(code, message, { status, headers: RETRY_AFTER, cause: error });
}

/** Messages of faults on our side may name paths and hosts: they go to the log only. */
function messageOfFault({ code, message, detail }: StorageError): string {
  if (code === 'no_space') return 'the registry is full';
  return detail['beingCollected'] === true ? message : 'the registry failed: try again later';
}

/** Sends `{"errors":[{code,message,detail}]}`. */
export function sendOciError(res: ServerResponse, error: OciError): void {
  const { code, message, detail } = error;
  for (const [name, value] of Object.entries(error.headers)) res.setHeader(name, value);
  sendJson(res, error.status, { errors: [{ code, message, detail }] });
}
