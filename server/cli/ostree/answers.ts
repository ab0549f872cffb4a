import { ServerError } from '../../errors.ts';
import { refused, type HttpAnswer, type HttpAsk } from '../http-client.ts';

/** Statuses by which the server says that what was sent is wrong: the input's fault, not the server's. */
const INVALID = new Set([413, 422]);

/** What the server's refusal says; `invalid_input` where it found fault with what was sent. */
export function refusal(url: URL, method: string, answer: HttpAnswer): ServerError {
  const { code, message, detail } = refused(url, method, answer);
  const isInvalid = INVALID.has(answer.status);
  return new ServerError(isInvalid ? 'invalid_input' : code, message, { detail });
}

/** True for every status of success. */
export function isSuccess({ status }: HttpAnswer): boolean {
  return status >= 200 && status < 300;
}

/** The body of a request in JSON, and its type. */
export function jsonBody(value: unknown): Pick<HttpAsk, 'headers' | 'body'> {
  return {
    headers: { 'content-type': 'application/json' },
    body: Buffer.from(JSON.stringify(value)),
  };
}

/** The object in an answer; its members are anything. Throws `refused` for what is none. */
export function parseJson(url: URL, answer: HttpAnswer): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(answer.body.toString('utf8'));
    if (typeof value === 'object' && value !== null) return { ...value };
  } catch (cause) {
    throw unexpected(url, 'no JSON', cause);
  }
  throw unexpected(url, 'no object');
}

/** `refused` for an answer that no server of ours gives. */
export function unexpected(url: URL, problem: string, cause?: unknown): ServerError {
  const message = `${url.origin}${url.pathname} answered with ${problem}: is it a Rivulet server of this version?`;
  return new ServerError('refused', message, { cause });
}
