import type { OutgoingHttpHeaders, ServerResponse } from 'node:http';

import { endAnswer } from '../http/unread-body.ts';

/** Sends JSON with exactly that content type: clients compare it, and no charset belongs in it. */
export function sendJson(
  res: ServerResponse,
  status: number,
  body: unknown,
  headers: OutgoingHttpHeaders = {},
): void {
  const bytes = Buffer.from(JSON.stringify(body));
  res.writeHead(status, {
    'Content-Type': 'application/json',
    'Content-Length': bytes.length,
    ...headers,
  });
  endAnswer(res, bytes);
}

/** Sends an answer without a body. */
export function sendEmpty(
  res: ServerResponse,
  status: 201 | 202 | 204,
  headers: OutgoingHttpHeaders = {},
): void {
  res.writeHead(status, status === 204 ? headers : { 'Content-Length': 0, ...headers });
  res.end();
}
