import { once } from 'node:events';
import { createServer, type RequestListener, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';

import { afterEach, describe, expect, it } from 'vitest';

import { autocannonGenerator } from '../../bench/serve/load/autocannon.ts';
import { curlGenerator, parseCurl } from '../../bench/serve/load/curl.ts';
import type { Generator, PlannedGet } from '../../bench/serve/load/load.ts';
import { parseWrk, wrkGenerator } from '../../bench/serve/load/wrk.ts';
import { needTool } from '../clients/require.ts';

const BODY = Buffer.alloc(4096, 7);
const PLAN = { connections: 3, seconds: 1 };

function tool(name: string): { name: string; path: string; version: string } | undefined {
  const path = needTool(name);
  return path === undefined ? undefined : { name, path, version: 'of a test' };
}

const wrk = tool('wrk');
const curl = tool('curl');
const generators: Generator[] = [
  autocannonGenerator(),
  ...(wrk === undefined ? [] : [wrkGenerator(wrk)]),
  ...(curl === undefined ? [] : [curlGenerator(curl)]),
];

let server: Server | undefined;
afterEach(() => {
  server?.closeAllConnections();
  server?.close();
});

async function serve(listener: RequestListener): Promise<string> {
  server = createServer(listener);
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
}

const get = (path: string, range?: string): PlannedGet => ({ path, range, bytes: BODY.length });

describe.each(generators.map((generator) => ({ generator, name: generator.name })))(
  'a load by $name',
  ({ generator }) => {
    it('counts what the server answered', async () => {
      let answered = 0;
      const url = await serve((_, answer) => {
        answered += 1;
        answer.end(BODY);
      });
      const result = await generator.run({ url, gets: [get('/blob')], ...PLAN });
      expect(result.requests).toBeGreaterThan(0);
      // Answers that were under way when the time was up are not counted.
      expect(answered - result.requests).toBeGreaterThanOrEqual(0);
      expect(answered - result.requests).toBeLessThanOrEqual(PLAN.connections);
      expect(result.bytesPerSecond / result.requestsPerSecond).toBeGreaterThanOrEqual(BODY.length);
      expect(result.p99Ms).toBeGreaterThanOrEqual(result.p50Ms);
    });

    it.each([
      ['refuses', (sent: number) => (sent % 20 === 19 ? 503 : 200)],
      ['refuses every time', () => 404],
    ])('fails when the server %s', async (_, status) => {
      let sent = 0;
      const url = await serve((_request, answer) => {
        answer.writeHead(status(sent)).end(BODY);
        sent += 1;
      });
      await expect(generator.run({ url, gets: [get('/blob')], ...PLAN })).rejects.toThrow();
    });

    it('fails when an answer breaks off', async () => {
      let sent = 0;
      const url = await serve((request, answer) => {
        sent += 1;
        if (sent % 20 !== 19) {
          answer.end(BODY);
          return;
        }
        answer.writeHead(200, { 'content-length': BODY.length });
        answer.write(BODY.subarray(1), () => request.socket.destroy());
      });
      await expect(generator.run({ url, gets: [get('/blob')], ...PLAN })).rejects.toThrow();
    });
  },
);

describe.each(
  generators
    .slice(0, wrk === undefined ? 1 : 2)
    .map((generator) => ({ generator, name: generator.name })),
)('several different requests by $name', ({ generator }) => {
  it('asks for each, with its range', async () => {
    const asked = new Set<string>();
    const url = await serve((request, answer) => {
      asked.add(`${request.url ?? ''} ${request.headers.range ?? 'whole'}`);
      answer.end(BODY);
    });
    await generator.run({
      url,
      gets: [get('/a'), get('/b', 'bytes=0-9'), get('/b', 'bytes=5-6')],
      ...PLAN,
    });
    expect([...asked].sort()).toEqual(['/a whole', '/b bytes=0-9', '/b bytes=5-6']);
  });
});

describe('what the programs print', () => {
  it('is refused when wrk ended without a result', () => {
    expect(() => parseWrk('unable to connect to 127.0.0.1', 'http://x')).toThrow(
      /no result: unable to connect/,
    );
  });

  it('is refused when a download of curl was short', () => {
    expect(parseCurl('200 10 0.5\n200 10 0.25\n', 'http://x', 10)).toEqual([500, 250]);
    expect(() => parseCurl('200 10 0.5\n200 9 0.5\n', 'http://x', 10)).toThrow(/9 bytes/);
    expect(() => parseCurl('', 'http://x', 10)).toThrow();
  });
});
