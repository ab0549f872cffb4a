import { StorageError, type StorageErrorCode } from '../../storage/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import { HttpError, sendProblem } from '../http/errors.ts';
import { OciError, sendOciError, toOciError, type OciErrorCode } from '../oci/errors.ts';
import type { Logger } from '../observe/logger.ts';
import { UpstreamError } from './upstream-error.ts';

/** Faults of the bytes that the origin sent: not the client's, not ours. */
const ORIGIN_FAULTS: ReadonlySet<StorageErrorCode> = new Set([
  'digest_mismatch',
  'size_mismatch',
  'corrupt',
]);

/** Runs a route of `/v1`: what the origin refuses or spoils becomes 429 or 502, as it is. */
export async function answerV1(x: Exchange, route: () => Promise<void>): Promise<void> {
  try {
    await route();
  } catch (error) {
    if (x.res.headersSent || x.signal.aborted) throw error;
    if (error instanceof UpstreamError && error.code === 'rate_limited') {
      sendProblem(x.res, {
        status: 429,
        code: error.code,
        detail: 'the origin takes no more requests for now',
        headers: retryAfter(error),
      });
      return;
    }
    if (!isOriginFault(error)) throw error;
    throw new HttpError('bad_gateway', 'the origin sent something wrong', { cause: error });
  }
}

/** As {@link answerV1} for `/v2`, errors in the registry's form. */
export async function answerV2(
  x: Exchange,
  logger: Logger,
  missing: OciErrorCode,
  route: () => Promise<void>,
): Promise<void> {
  try {
    await route();
  } catch (error) {
    if (x.res.headersSent || x.signal.aborted) throw error;
    if (error instanceof UpstreamError && error.code === 'rate_limited') {
      const message = 'the origin takes no more requests for now';
      const headers = retryAfter(error);
      sendOciError(x.res, new OciError('TOOMANYREQUESTS', message, { headers, cause: error }));
      return;
    }
    const refusal = isOriginFault(error)
      ? new OciError('UNKNOWN', 'the origin sent something wrong', { status: 502, cause: error })
      : toOciError(error, missing);
    if (refusal.status >= 500) logger.error({ err: error, requestId: x.id }, 'request failed');
    sendOciError(x.res, refusal);
  }
}

function isOriginFault(error: unknown): boolean {
  if (error instanceof UpstreamError) return true;
  return error instanceof StorageError && ORIGIN_FAULTS.has(error.code);
}

function retryAfter(error: UpstreamError): Readonly<Record<string, string>> {
  return error.retryAfter === undefined ? {} : { 'Retry-After': error.retryAfter };
}
