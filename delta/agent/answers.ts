import type { ByteRange } from '../../storage/object-store.ts';
import { DeviceError } from './errors.ts';
import type { HttpAnswer } from './http.ts';

/** Seconds of a Retry-After (RFC 9110, 10.2.3), the delay form only; undefined otherwise. */
export function retryAfterSeconds(answer: HttpAnswer): number | undefined {
  const value = answer.header('retry-after');
  return value !== undefined && /^\d{1,9}$/.test(value) ? Number(value) : undefined;
}

/** The server's clock (RFC 9110, 6.6.1), milliseconds since the epoch; undefined where it is not told. */
export function dateMs(answer: HttpAnswer): number | undefined {
  const ms = Date.parse(answer.header('date') ?? '');
  return Number.isNaN(ms) ? undefined : ms;
}

/**
 * Throws `captive_portal` for a page that answers in the server's place: 511 (RFC 6585, 6), HTML, or a
 * redirect of what is never redirected. Discards the answer then.
 */
export function expectNoPortal(answer: HttpAnswer, url: string): void {
  const { status } = answer;
  const isPage = status < 400 && answer.header('content-type')?.startsWith('text/html') === true;
  if (!isPage && status !== 511 && status !== 302 && status !== 303 && status !== 307) return;
  answer.discard();
  throw new DeviceError(
    'captive_portal',
    `${url} is answered by a web page, not by the server: a captive portal or a proxy stands before it`,
    { detail: { status } },
  );
}

/** What an answer that is none of the expected ones means. */
export function statusError(answer: HttpAnswer, url: string): DeviceError {
  const { status } = answer;
  const what = `${url} answered ${status}`;
  const seconds = retryAfterSeconds(answer);
  const detail = seconds === undefined ? { status } : { status, retryAfterMs: seconds * 1000 };
  if (status === 404 || status === 410) return new DeviceError('missing_blob', what, { detail });
  if (status === 408 || status === 425 || status === 429 || status >= 500) {
    return new DeviceError('unreachable', what, { detail });
  }
  return new DeviceError('refused', `${what}${advice(status)}`, { detail });
}

/** What the device's owner can do about a refusal. */
function advice(status: number): string {
  switch (status) {
    case 401:
      return ', it wants credentials: give a valid token with RIVULET_TOKEN or --token';
    case 403:
      return ', the token does not grant this: have one made with --allow pull:PRODUCT';
    default:
      return '';
  }
}

export interface ContentRange {
  readonly start: number;
  readonly endExclusive: number;
  readonly size: number;
}

/** A 206's Content-Range (RFC 9110, 14.4); `bad_answer` when it is missing or makes no sense. */
export function contentRange(answer: HttpAnswer, url: string): ContentRange {
  const match = /^bytes (\d{1,15})-(\d{1,15})\/(\d{1,15})$/.exec(
    answer.header('content-range') ?? '',
  );
  const [start, last, size] = (match ?? []).slice(1).map(Number);
  if (start === undefined || last === undefined || size === undefined || last >= size) {
    throw new DeviceError('bad_answer', `${url} answered 206 without a usable Content-Range`);
  }
  return { start, endExclusive: last + 1, size };
}

/** The answer's ETag if it is a strong one. */
export function strongEtag(answer: HttpAnswer): string | undefined {
  const etag = answer.header('etag');
  return etag !== undefined && /^"[\x21\x23-\x7e]{1,500}"$/.test(etag) ? etag : undefined;
}

/** Throws unless an answer holds just the range that was asked for. */
export function expectRange(answer: HttpAnswer, url: string, range: ByteRange): void {
  if (answer.status !== 206) {
    answer.discard();
    if (answer.status !== 200) throw statusError(answer, url);
    throw new DeviceError('bad_answer', `${url} does not serve ranges`);
  }
  const got = contentRange(answer, url);
  if (got.start !== range.start || got.endExclusive !== range.endExclusive) {
    answer.discard();
    throw new DeviceError('bad_answer', `${url} sent another range than was asked for`);
  }
}
