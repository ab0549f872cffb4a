import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';

import { afterAll, beforeAll, describe, expect, it } from 'vitest';

import { HttpFiles } from '../../../server/cli/ostree/http-files.ts';
import { seededBytes } from '../../clients/oci-image.ts';
import { collect } from '../../delta/ostree/collect.ts';

const FILE = seededBytes('file', 300_000);

type Answer = (request: IncomingMessage, response: ServerResponse) => void;

describe('files of a repository behind HTTP', () => {
  let server: Server;
  let files: HttpFiles;
  /** Ranges that were asked for; undefined: the whole. */
  let ranges: (string | undefined)[] = [];
  /** What the next requests get; the last answer stays. */
  let answers: Answer[] = [];
  beforeAll(async () => {
    server = createServer((request, response) => {
      ranges.push(request.headers.range);
      const answer = answers.length > 1 ? answers.shift() : answers[0];
      answer?.(request, response);
    }).listen(0, '127.0.0.1');
    await once(server, 'listening');
    const address = server.address();
    if (address === null || typeof address === 'string') throw new Error('no port');
    files = new HttpFiles(new URL(`http://user:secret@127.0.0.1:${address.port}/a/repo`));
  });
  afterAll(async () => {
    server.closeAllConnections();
    server.close();
    await once(server, 'close');
  });
  const answering = (...next: Answer[]): void => {
    answers = next;
    ranges = [];
  };
  const opened = async (): Promise<Buffer> => {
    const bytes = await files.open('objects/x');
    if (bytes === undefined) throw new Error('not there');
    return collect(bytes);
  };

  const whole: Answer = (_, response) => response.end(FILE);
  const status =
    (code: number, headers = {}): Answer =>
    (_, response) =>
      response.writeHead(code, headers).end();
  /** Breaks off after so many bytes of what was asked for. */
  const broken =
    (bytes: number): Answer =>
    (request, response) => {
      const start = startOf(request);
      head(response, start).write(FILE.subarray(start, start + bytes), () => response.destroy());
    };
  const ranged: Answer = (request, response) => {
    const start = startOf(request);
    head(response, start).end(FILE.subarray(start));
  };

  it('go on in the middle after a broken connection', async () => {
    answering(broken(100_000), broken(50_000), status(503), ranged);
    expect((await opened()).equals(FILE)).toBe(true);
    expect(ranges[0]).toBeUndefined();
    const starts = ranges.slice(1).map((range) => Number(/^bytes=(\d+)-$/.exec(range ?? '')?.[1]));
    expect(starts).toHaveLength(3);
    // What was under way when the connection broke may be lost.
    expect(starts[0]).toBeLessThanOrEqual(100_000);
    expect(starts[1]).toBe(starts[2]);
  });

  it('go on where the server knows no ranges', async () => {
    answering(broken(100_000), whole);
    expect((await opened()).equals(FILE)).toBe(true);
  });

  it('follow redirects, but not for ever and not out of the web', async () => {
    answering(status(302, { location: '/elsewhere' }), whole);
    expect((await files.read('config', 1 << 20))?.equals(FILE)).toBe(true);
    answering(status(301, { location: '/round' }));
    await expect(files.read('config', 1000)).rejects.toThrow('redirects');
    answering(status(307, { location: 'file:///etc/passwd' }));
    await expect(files.read('config', 1000)).rejects.toThrow('file:///etc/passwd');
  });

  it.each([404, 403, 410])('are not there after %d', async (code) => {
    answering(status(code));
    expect(await files.read('summary', 1000)).toBeUndefined();
    expect(await files.open('summary')).toBeUndefined();
  });

  it('are refused at once where trying again does not help', async () => {
    answering(status(400));
    await expect(files.read('config', 1000)).rejects.toMatchObject({ code: 'refused' });
    expect(ranges).toHaveLength(1);
    answering(whole);
    await expect(files.read('config', 1000)).rejects.toMatchObject({ code: 'too_large' });
    const wrong: Answer = (_, response) =>
      response.writeHead(206, { 'content-range': 'bytes 5-9/10' }).end('12345');
    answering(broken(100_000), wrong);
    await expect(opened()).rejects.toThrow('range');
  });

  it('are given up after some tries, without telling the password', async () => {
    answering(status(503));
    const error: unknown = await files.read('config', 1000).catch((fault: unknown) => fault);
    expect(error).toMatchObject({ code: 'refused', detail: { status: 503 } });
    expect(String(error)).toContain('/a/repo/config');
    expect(String(error)).not.toContain('secret');
    expect(ranges).toHaveLength(5);
  });

  it('stop when the caller gives up', async () => {
    const controller = new AbortController();
    answering((_, response) => response.writeHead(200).write('some'));
    const bytes = await files.open('objects/x', { signal: controller.signal });
    if (bytes === undefined) throw new Error('not there');
    const reading = collect(bytes);
    controller.abort();
    await expect(reading).rejects.toMatchObject({ code: 'aborted' });
  });
});

function startOf(request: IncomingMessage): number {
  return Number(/^bytes=(\d+)-$/.exec(request.headers.range ?? '')?.[1] ?? 0);
}

function head(response: ServerResponse, start: number): ServerResponse {
  const range = { 'content-range': `bytes ${start}-${FILE.length - 1}/${FILE.length}` };
  const length = { 'content-length': FILE.length - start };
  return response.writeHead(start === 0 ? 200 : 206, { ...length, ...(start === 0 ? {} : range) });
}
