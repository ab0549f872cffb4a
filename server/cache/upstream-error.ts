import { CodedError } from '../../storage/errors.ts';

/** Refusals by an origin that does answer; an origin that is gone is a `StorageError` `unavailable`. */
export type UpstreamErrorCode =
  /** 429: ask again after `retryAfter`. */
  | 'rate_limited'
  /** Any other status below 500 that is not the expected one, or headers that make no sense. */
  | 'refused';

/** The origin answered, but not with what was asked for. */
export class UpstreamError extends CodedError<UpstreamErrorCode> {
  readonly status: number;
  /** The origin's `Retry-After`, as it was sent. */
  readonly retryAfter: string | undefined;

  constructor(
    code: UpstreamErrorCode,
    message: string,
    answer: { readonly status: number; readonly retryAfter?: string | undefined },
  ) {
    super(code, message, { detail: { status: answer.status } });
    this.name = 'UpstreamError';
    this.status = answer.status;
    this.retryAfter = answer.retryAfter;
  }
}
