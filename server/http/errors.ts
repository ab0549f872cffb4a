import { STATUS_CODES, type ServerResponse } from 'node:http';
import type { ErrorRequestHandler } from 'express';

import { DeltaError, type DeltaErrorCode } from '../../delta/errors.ts';
import { CodedError, StorageError, type CodedErrorOptions } from '../../storage/errors.ts';
import type { StorageErrorCode } from '../../storage/errors.ts';
import type { Logger } from '../observe/logger.ts';
import { endAnswer } from './unread-body.ts';

/** Refusals that only a server makes. */
export type HttpErrorCode =
  /** A target, header or query that does not parse. */
  | 'bad_request'
  /** A body that does not follow openapi.yaml. */
  | 'invalid_body'
  /** Credentials are missing, unknown or expired. */
  | 'unauthorized'
  /** The credentials do not grant this. */
  | 'denied'
  | 'not_found'
  | 'method_not_allowed'
  | 'not_acceptable'
  | 'conflict'
  /** If-Match names another version. */
  | 'precondition_failed'
  /** An object of a push that breaks its format, or is not the one of its name. */
  | 'bad_object'
  /** A ref can't move to a commit of which objects are missing. */
  | 'incomplete'
  /** A ref can't move to a commit without a signature that counts. */
  | 'unsigned'
  | 'too_large'
  | 'range_unsatisfiable'
  | 'unsupported_media_type'
  /** Too many requests from this address or principal, or from a cache to its origin. */
  | 'rate_limited'
  /** The request's head is longer than a server reads. */
  | 'headers_too_large'
  /** The request's head did not come in time. */
  | 'request_timeout'
  | 'unavailable'
  /** The server that this one asked did not answer, or answered with a fault. */
  | 'bad_gateway'
  | 'internal';

const HTTP_STATUS = {
  bad_request: 400,
  invalid_body: 400,
  unauthorized: 401,
  denied: 403,
  not_found: 404,
  method_not_allowed: 405,
  not_acceptable: 406,
  conflict: 409,
  precondition_failed: 412,
  too_large: 413,
  unsupported_media_type: 415,
  range_unsatisfiable: 416,
  bad_object: 422,
  incomplete: 422,
  unsigned: 422,
  rate_limited: 429,
  headers_too_large: 431,
  request_timeout: 408,
  unavailable: 503,
  bad_gateway: 502,
  internal: 500,
} as const satisfies Record<HttpErrorCode, number>;

/** A mismatch or corruption that reaches this table is in stored bytes: nothing the client can mend. */
const STORAGE_STATUS = {
  missing: 404,
  invalid_name: 400,
  digest_mismatch: 500,
  size_mismatch: 500,
  corrupt: 500,
  too_large: 413,
  range_unsatisfiable: 416,
  out_of_order: 409,
  conflict: 409,
  no_space: 507,
  unavailable: 503,
  aborted: 503,
} as const satisfies Record<StorageErrorCode, number>;

/** A delta that a client sent can be bad in many ways; one that was built here can't. */
const DELTA_STATUS = {
  bad_format: 422,
  unsupported_version: 422,
  wrong_base: 409,
  corrupt: 422,
  too_large: 413,
  output_mismatch: 500,
  refused: 422,
  budget: 503,
  aborted: 503,
} as const satisfies Record<DeltaErrorCode, number>;

/** What `code` may be; openapi.yaml lists the same. */
export type ProblemCode = HttpErrorCode | StorageErrorCode | DeltaErrorCode;

/** Every {@link ProblemCode}: a code without a status does not compile. */
export const PROBLEM_CODES: ReadonlySet<string> = new Set(
  [HTTP_STATUS, STORAGE_STATUS, DELTA_STATUS].flatMap((table) => Object.keys(table)),
);

/** Seconds after which a client may try again what was unavailable. */
const RETRY_AFTER = '5';

/** A refusal by the server itself. Its `detail` goes out as members of the problem, `headers` with it. */
export class HttpError extends CodedError<HttpErrorCode> {
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    code: HttpErrorCode,
    message: string,
    options: CodedErrorOptions & { readonly headers?: Readonly<Record<string, string>> } = {},
  ) {
    super(code, message, { retryable: code === 'unavailable', ...options });
    this.name = 'HttpError';
    this.headers = options.headers ?? {};
  }
}

/** An answer of RFC 9457, with a stable `code`. */
export interface Problem {
  readonly status: number;
  readonly code: ProblemCode;
  /** What failed, on what, why, what to do; nothing about the inside of the server. */
  readonly detail?: string | undefined;
  /** More members of the body, such as `errors`. */
  readonly extra?: Readonly<Record<string, unknown>> | undefined;
  readonly headers?: Readonly<Record<string, string>> | undefined;
}

/** Sends a problem; the body also names the request id. Nothing happens when an answer has begun. */
export function sendProblem(res: ServerResponse, problem: Problem): void {
  if (res.headersSent || res.destroyed) return;
  const { status, code, detail, extra, headers } = problem;
  const body = Buffer.from(
    JSON.stringify({
      type: 'about:blank',
      title: STATUS_CODES[status] ?? 'Error',
      status,
      code,
      detail,
      requestId: res.getHeader('x-request-id'),
      ...extra,
    }),
  );
  res.writeHead(status, {
    ...headers,
    'Content-Type': 'application/problem+json',
    'Content-Length': body.length,
    'Cache-Control': 'no-store',
  });
  endAnswer(res, body);
}

/** The problem that an error is to a client; `undefined` when the error is unknown, so a fault of ours. */
export function problemOf(error: unknown): Problem | undefined {
  if (error instanceof HttpError) {
    const problem = withDetail(HTTP_STATUS[error.code], error, error.headers);
    return { ...problem, extra: error.detail };
  }
  if (error instanceof StorageError) return withDetail(STORAGE_STATUS[error.code], error, {});
  if (error instanceof DeltaError) return withDetail(DELTA_STATUS[error.code], error, {});
  return parserProblem(error);
}

/** Messages of faults on our side may name paths and hosts: they go to the log only. */
function withDetail(
  status: number,
  error: CodedError<ProblemCode>,
  headers: Readonly<Record<string, string>>,
): Problem {
  const retry = status === 503 ? { 'Retry-After': RETRY_AFTER } : {};
  return {
    status,
    code: error.code,
    detail: status < 500 ? error.message : undefined,
    headers: { ...retry, ...headers },
  };
}

/** Refusals of express and its body parsers carry a 4xx `status` of their own. */
function parserProblem(error: unknown): Problem | undefined {
  if (!(error instanceof Error) || !('status' in error)) return undefined;
  const { status } = error;
  if (typeof status !== 'number' || status < 400 || status > 499) return undefined;
  const code: HttpErrorCode =
    status === 413 ? 'too_large' : status === 415 ? 'unsupported_media_type' : 'bad_request';
  return { status, code, detail: error.message };
}

/** Answers an error, and logs it when it is a fault of ours. */
export function sendError(res: ServerResponse, error: unknown, logger: Logger): void {
  const problem = problemOf(error) ?? { status: 500, code: 'internal' as const };
  if (problem.status >= 500) {
    logger.error({ err: error, requestId: res.getHeader('x-request-id') }, 'request failed');
  }
  sendProblem(res, problem);
}

/** The last handler of an express app. */
export function problemErrors(logger: Logger): ErrorRequestHandler {
  return (error: unknown, _req, res, _next) => {
    if (res.headersSent) res.destroy();
    else sendError(res, error, logger);
  };
}
