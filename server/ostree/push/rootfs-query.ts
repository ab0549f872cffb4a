import { parseOstreeRef, type OstreeRef } from '../../../storage/ostree/ref-name.ts';
import { parseOstreeChecksum, type OstreeChecksum } from '../../../storage/ostree/checksum.ts';
import { HttpError } from '../../http/errors.ts';

/** What the query of `push/rootfs` says of the commit to make. */
export interface RootfsQuery {
  readonly ref: OstreeRef;
  readonly subject: string;
  readonly body: string;
  /** Seconds since 1970. */
  readonly timestamp: number;
  /** Where the ref has to be; undefined: it must not be there yet. */
  readonly expected: OstreeChecksum | undefined | 'any';
}

const NAMES = ['ref', 'subject', 'body', 'timestamp', 'expected'];
const MAX_SUBJECT = 4096;
const MAX_BODY = 16_384;

/** Throws `bad_request` for what the query may not hold, `invalid_name` for what is no ref. */
export function readRootfsQuery(query: URLSearchParams, nowMs: number): RootfsQuery {
  for (const name of query.keys()) {
    if (!NAMES.includes(name) || query.getAll(name).length > 1) {
      throw bad(`${name.slice(0, 100)} is unknown or stands twice: known are ${NAMES.join(', ')}`);
    }
  }
  const ref = query.get('ref');
  if (ref === null) throw bad('ref is missing: the branch that the commit is for');
  return {
    ref: parseOstreeRef(ref),
    subject: text(query, 'subject', MAX_SUBJECT),
    body: text(query, 'body', MAX_BODY),
    timestamp: seconds(query.get('timestamp'), nowMs),
    expected: expectation(query.get('expected')),
  };
}

function text(query: URLSearchParams, name: string, most: number): string {
  const value = query.get(name) ?? '';
  if (value.length > most) throw bad(`${name} has ${value.length} characters, at most ${most} go`);
  if (value.includes('\0')) throw bad(`${name} holds a NUL`);
  return value;
}

function seconds(value: string | null, nowMs: number): number {
  if (value === null) return Math.floor(nowMs / 1000);
  const time = /^\d{1,16}$/.test(value) ? Number(value) : NaN;
  if (!Number.isSafeInteger(time)) throw bad('timestamp is not a number of seconds since 1970');
  return time;
}

function expectation(value: string | null): RootfsQuery['expected'] {
  if (value === null || value === 'any') return 'any';
  return value === 'none' ? undefined : parseOstreeChecksum(value);
}

function bad(problem: string): HttpError {
  return new HttpError('bad_request', `query: ${problem}`);
}
