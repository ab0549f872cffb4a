import { once } from 'node:events';
import { createServer, request, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import { setImmediate } from 'node:timers/promises';
import { expect, it } from 'vitest';

import { MAX_QUEUED_BYTES, readBody } from '../../../delta/agent/read-body.ts';

/** More than waits in the queue. */
const SENT_BYTES = 3 * MAX_QUEUED_BYTES;
const PIECE_BYTES = 16 * 1024;

/** Sends less than it promised; resolves when the system has it. */
async function sendSome(res: ServerResponse): Promise<void> {
  res.writeHead(200, { 'content-length': 2 * SENT_BYTES });
  for (let at = 0; at < SENT_BYTES; at += PIECE_BYTES) {
    await new Promise<void>((resolve) => {
      res.write(Buffer.alloc(PIECE_BYTES), () => {
        resolve();
      });
    });
  }
}

it('hands out all that arrived before the connection broke off, to a slow reader too', async () => {
  const server = createServer((_req, res) => {
    void sendSome(res).then(() => res.destroy());
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  try {
    const { port } = server.address() as AddressInfo;
    const outgoing = request({ port, host: '127.0.0.1' }).end();
    const [message] = (await once(outgoing, 'response')) as [IncomingMessage];
    let bytes = 0;
    const read = async (): Promise<void> => {
      for await (const piece of readBody(message, 30_000)) {
        bytes += piece.length;
        for (let n = 0; n < 20; n += 1) await setImmediate();
      }
    };
    await expect(read()).rejects.toThrow('aborted');
    expect(bytes).toBe(SENT_BYTES);
  } finally {
    server.close();
  }
});
