import { gunzip } from 'node:zlib';
import { promisify } from 'node:util';

import { readBody } from '../../http/body.ts';
import { HttpError } from '../../http/errors.ts';
import type { Exchange } from '../../http/exchange.ts';

const unzip = promisify(gunzip);

/** Bytes of a body, packed or not: 2,000 names in one question of the client. */
const MAX_BYTES = 1024 * 1024;

/** The JSON body of a request of flat-manager's client, which may come as gzip, with a GET too. */
export async function readRequest({ req }: Exchange): Promise<unknown> {
  const body = await readBody(req, MAX_BYTES, tooLarge);
  const coding = req.headers['content-encoding'] ?? 'identity';
  try {
    const bytes = coding === 'gzip' ? await unzip(body, { maxOutputLength: MAX_BYTES }) : body;
    return JSON.parse(bytes.toString('utf8'));
  } catch (cause) {
    if (cause instanceof RangeError) throw tooLarge();
    throw new HttpError('invalid_body', 'the body is not JSON, or no gzip of it', { cause });
  }
}

function tooLarge(): HttpError {
  return new HttpError('too_large', `a body has at most ${MAX_BYTES} bytes`);
}
