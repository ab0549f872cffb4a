import { HttpError } from '../http/errors.ts';
import type { Exchange } from '../http/exchange.ts';
import type { Contract } from '../http/validate.ts';
import { bodySource, contentLength } from '../oci/body.ts';

/** The largest body of an API request, as openapi.yaml says. */
const MAX_BODY_BYTES = 256 * 1024;
/** RFC 9110, 8.3.1: the type may be followed by parameters. */
const JSON_TYPE = /^application\/json\s*(?:;|$)/i;

/** A JSON body: as it came, to be passed on, and parsed, to be checked. */
export interface JsonBody {
  readonly bytes: Buffer;
  readonly value: unknown;
}

/** Reads a JSON body. Throws `unsupported_media_type`, `too_large`, `invalid_body`. */
export async function readJson({ req }: Exchange): Promise<JsonBody> {
  if (!JSON_TYPE.test(req.headers['content-type'] ?? '')) {
    throw new HttpError('unsupported_media_type', 'the body is not JSON: send application/json');
  }
  const parts: Uint8Array[] = [];
  let size = contentLength(req) ?? 0;
  if (size > MAX_BODY_BYTES) throw tooLarge();
  size = 0;
  for await (const part of bodySource(req)) {
    size += part.length;
    if (size > MAX_BODY_BYTES) throw tooLarge();
    parts.push(part);
  }
  const bytes = Buffer.concat(parts, size);
  try {
    return { bytes, value: JSON.parse(bytes.toString('utf8')) };
  } catch (cause) {
    throw new HttpError('invalid_body', 'the body is not JSON', { cause });
  }
}

/** A header that must be there and follow a schema of the contract; `bad_request` otherwise. */
export function requireHeader(
  { req }: Exchange,
  contract: Contract,
  name: string,
  schema: string,
): string {
  const text = req.headers[name];
  if (typeof text !== 'string') throw new HttpError('bad_request', `header ${name} is missing`);
  return requireText(contract, `header ${name}`, schema, text);
}

/** Text that must follow a schema of the contract; `bad_request` otherwise. */
export function requireText(
  contract: Contract,
  what: string,
  schema: string,
  text: string,
): string {
  const [fault] = contract.faults(schema, text);
  if (fault === undefined) return text;
  throw new HttpError('bad_request', `${what}: no ${schema}, ${fault.message}`);
}

function tooLarge(): HttpError {
  return new HttpError('too_large', `a body has at most ${MAX_BODY_BYTES} bytes`);
}
