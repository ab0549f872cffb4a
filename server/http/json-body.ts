import type { IncomingMessage } from 'node:http';

import { readBody } from './body.ts';
import { HttpError } from './errors.ts';

/** The largest body of an API request unless its operation takes more, as openapi.yaml says. */
export const MAX_BODY_BYTES = 256 * 1024;
/** RFC 9110, 8.3.1: the type may be followed by parameters. */
const JSON_TYPE = /^application\/json\s*(?:;|$)/i;

/** A JSON body: as it came, to be passed on, and parsed, to be checked. */
export interface JsonBody {
  readonly bytes: Buffer;
  readonly value: unknown;
}

/**
 * Reads a JSON body. Throws `unsupported_media_type`, `too_large`, `invalid_body`, each as soon as it
 * is known: what is left of the body is not read.
 */
export async function readJson(
  { req }: { readonly req: IncomingMessage },
  maxBytes = MAX_BODY_BYTES,
): Promise<JsonBody> {
  checkType(req);
  const bytes = await readBody(req, maxBytes, () => tooLarge(maxBytes));
  try {
    return { bytes, value: JSON.parse(bytes.toString('utf8')) };
  } catch (cause) {
    throw new HttpError('invalid_body', 'the body is not JSON', { cause });
  }
}

function checkType({ headers }: IncomingMessage): void {
  const type = headers['content-type'] ?? '';
  if (!JSON_TYPE.test(type)) {
    throw new HttpError(
      'unsupported_media_type',
      `the body's type is ${JSON.stringify(type === '' ? 'missing' : type.slice(0, 100))}: send application/json`,
    );
  }
  const coding = headers['content-encoding'] ?? 'identity';
  if (coding.toLowerCase() !== 'identity') {
    throw new HttpError(
      'unsupported_media_type',
      `the body's content coding is ${JSON.stringify(coding.slice(0, 100))}: send it as it is`,
    );
  }
}

function tooLarge(maxBytes: number): HttpError {
  return new HttpError('too_large', `a body has at most ${maxBytes} bytes`);
}
