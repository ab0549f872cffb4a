import { describe, expect, it, onTestFinished } from 'vitest';

import type { RawRoute } from '../../../server/http/exchange.ts';
import { sendProblem } from '../../../server/http/errors.ts';
import { createAuditRoute } from '../../../server/observe/audit.ts';
import { createLogger } from '../../../server/observe/logger.ts';
import { serve } from '../http/rig.ts';
import { readableLogger } from '../tls/rig.ts';

interface Rig {
  readonly url: string;
  /** The audit lines so far, in order. */
  readonly lines: () => readonly Record<string, unknown>[];
}

/** A server that answers with the status that `x-test-status` asks for. */
async function start(level: 'debug' | 'info' | 'error' | 'silent'): Promise<Rig> {
  const { logger, text } = readableLogger(level);
  const answer: RawRoute = (x) => {
    x.principal = { name: 'token:ci', grants: [] };
    x.route = '/test/{route}';
    const status = Number(x.req.headers['x-test-status'] ?? 200);
    if (status < 400) x.res.writeHead(status).end();
    else sendProblem(x.res, { status, code: 'denied' });
    return Promise.resolve(true);
  };
  const server = await serve({ routes: [createAuditRoute(logger), answer], logger });
  onTestFinished(() => server.close(0));
  const lines = () =>
    text()
      .split('\n')
      .filter((line) => line.includes('"audit"'))
      .map((line) => JSON.parse(line) as Record<string, unknown>);
  return { url: server.url, lines };
}

describe('the audit', () => {
  it('has a line for each write, whatever came of it', async () => {
    const { url, lines } = await start('info');
    for (const [method, path, status] of [
      ['PUT', '/v2/app/manifests/v1', 201],
      ['PATCH', '/v2/app/blobs/uploads/x', 404],
      ['DELETE', '/v1/tokens/ci', 204],
    ] as const) {
      const headers = { 'x-test-status': status.toString(), 'x-request-id': 'request-1' };
      await fetch(`${url}${path}?digest=secret`, { method, headers });
      await expect
        .poll(() => lines().at(-1))
        .toMatchObject({
          audit: 'write',
          principal: 'token:ci',
          address: '127.0.0.1',
          method,
          path,
          status,
          route: '/test/{route}',
          requestId: 'request-1',
        });
    }
    expect(JSON.stringify(lines())).not.toContain('secret');
  });

  it.each([401, 403, 429])('has a line for each refusal with %i, reads too', async (status) => {
    const { url, lines } = await start('info');
    const headers = { 'x-test-status': status.toString() };
    await fetch(`${url}/metrics`, { headers });
    await expect.poll(lines).toMatchObject([{ audit: 'refusal', method: 'GET', status }]);
    await fetch(`${url}/v2/app/manifests/v1`, { method: 'PUT', headers });
    await expect.poll(lines).toMatchObject([{}, { audit: 'refusal', method: 'PUT', status }]);
  });

  it('leaves out reads, and posts that change nothing of an operator', async () => {
    const { url, lines } = await start('info');
    await fetch(`${url}/v2/app/manifests/v1`);
    await fetch(`${url}/v2/app/manifests/v1`, { method: 'HEAD' });
    for (const path of ['/v1/check', '/v1/token', '/v1/decisions/1/events']) {
      await fetch(`${url}${path}`, { method: 'POST' });
    }
    await fetch(`${url}/v1/tokens`, { method: 'POST' });
    await expect.poll(lines).toMatchObject([{ path: '/v1/tokens' }]);
  });

  it('is written at every log level but silent', async () => {
    const quiet = await start('error');
    await fetch(`${quiet.url}/v1/tokens`, { method: 'POST' });
    await expect.poll(quiet.lines).toHaveLength(1);
    expect(createLogger('silent').level).toBe('silent');
    const silent = await start('silent');
    await fetch(`${silent.url}/v1/tokens`, { method: 'POST' });
    expect(silent.lines()).toEqual([]);
  });

  it('keeps the query out of the log of requests as well', async () => {
    const { logger, text } = readableLogger('debug');
    const server = await serve({ routes: [], logger });
    await fetch(`${server.url}/v1/status?token=rvt_not-for-logs`);
    await expect.poll(text).toContain('"path":"/v1/status"');
    expect(text()).not.toContain('rvt_');
    await server.close(0);
  });
});
