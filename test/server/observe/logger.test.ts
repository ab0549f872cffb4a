import { expect, it } from 'vitest';

import { createLogger } from '../../../server/observe/logger.ts';

it('writes JSON lines without secrets, from its level on', () => {
  const lines: string[] = [];
  const logger = createLogger('info', { write: (line) => lines.push(line) });
  logger.debug('unseen');
  const headers = { authorization: 'Bearer s3cret', cookie: 's3cret', accept: '*/*' };
  logger.info({ headers, req: { headers }, token: 's3cret', store: { secretKey: 's3cret' } }, 'in');
  logger.error({ err: new Error('broken') }, 'request failed');
  expect(lines).toHaveLength(2);
  expect(lines.join('')).not.toContain('s3cret');
  expect(JSON.parse(lines[0] ?? '')).toMatchObject({ msg: 'in', headers: { accept: '*/*' } });
  expect(JSON.parse(lines[1] ?? '')).toMatchObject({ level: 50, err: { message: 'broken' } });
});
