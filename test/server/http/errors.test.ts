import { describe, expect, it } from 'vitest';

import { DeltaError } from '../../../delta/errors.ts';
import { HttpError, problemOf } from '../../../server/http/errors.ts';
import { StorageError } from '../../../storage/errors.ts';

describe('problemOf', () => {
  it('tells a client what it can mend', () => {
    expect(problemOf(new StorageError('invalid_name', 'not a digest: "x"'))).toMatchObject({
      status: 400,
      code: 'invalid_name',
      detail: 'not a digest: "x"',
    });
    expect(problemOf(new DeltaError('wrong_base', 'made from another'))).toMatchObject({
      status: 409,
      code: 'wrong_base',
      detail: 'made from another',
    });
    const headers = { Allow: 'GET' };
    expect(problemOf(new HttpError('method_not_allowed', 'read only', { headers }))).toMatchObject({
      status: 405,
      headers,
    });
  });

  it('keeps faults of ours to itself, with a time to come back', () => {
    for (const error of [
      new StorageError('unavailable', 'connect /srv/secret'),
      new DeltaError('budget', 'ran out in /srv/secret'),
    ]) {
      const problem = problemOf(error);
      expect(problem).toMatchObject({ status: 503, headers: { 'Retry-After': '5' } });
      expect(JSON.stringify(problem)).not.toContain('secret');
    }
    expect(problemOf(new StorageError('no_space', '/srv/secret'))?.status).toBe(507);
    expect(problemOf(new StorageError('corrupt', '/srv/secret'))?.detail).toBeUndefined();
  });

  it('takes refusals of body parsers, and nothing else that has a status', () => {
    const parser = (status: unknown) => Object.assign(new Error('parser'), { status });
    expect(problemOf(parser(400))).toMatchObject({ status: 400, code: 'bad_request' });
    expect(problemOf(parser(413))).toMatchObject({ status: 413, code: 'too_large' });
    expect(problemOf(parser(415))?.code).toBe('unsupported_media_type');
    for (const unknown of [parser(500), parser(200), parser('400'), new Error('x'), 'x', null]) {
      expect(problemOf(unknown)).toBeUndefined();
    }
  });
});
