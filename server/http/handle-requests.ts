import type { IncomingMessage, Server, ServerResponse } from 'node:http';

import { ConnectionTurns } from './connection-turns.ts';
import { continueOnRead } from './expect-continue.ts';
import { refusalOf, SocketRefuser, type Refusal } from './malformed.ts';
import { boundUnreadBody } from './unread-body.ts';

const NO_PROXY: Refusal = {
  status: 405,
  code: 'method_not_allowed',
  detail: 'this is no proxy: CONNECT is not possible',
};

/**
 * Lets whatever `node:http` makes of the bytes of a connection lead to one answer, in its turn:
 * requests go to `serve`, what never became one is refused here.
 */
export function handleRequests(
  server: Server,
  serve: (req: IncomingMessage, res: ServerResponse) => void,
): void {
  const turns = new ConnectionTurns();
  const refuser = new SocketRefuser();
  const answer = (req: IncomingMessage, res: ServerResponse): void => {
    turns.take(req, res, () => {
      if (!server.listening) res.setHeader('Connection', 'close');
      boundUnreadBody(req, res);
      serve(req, res);
    });
  };
  server.on('request', answer);
  // An expectation that is not known may be ignored (RFC 9110, 10.1.1).
  server.on('checkExpectation', answer);
  server.on('checkContinue', (req, res) => {
    continueOnRead(req, res);
    answer(req, res);
  });
  server.on('clientError', (error, socket) => {
    turns.afterWhole(socket, (begun) => {
      refuser.refuse(socket, begun ? undefined : refusalOf(error));
    });
  });
  server.on('connect', (_req, socket) => {
    turns.afterWhole(socket, () => {
      refuser.refuse(socket, NO_PROXY);
    });
  });
}
