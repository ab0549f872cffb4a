import type { IncomingMessage, ServerResponse } from 'node:http';

/** How much of a body nobody wants is read, and for how long, so that its sender reads the answer. */
const DISCARD_BYTES = 64 * 1024 * 1024;
const DISCARD_MS = 30_000;
const CHECK_MS = 50;

/**
 * Ends an answer whose head is written and has a Content-Length. When the request's body was not
 * read to its end, the connection stays open while the rest is read away: a client that writes
 * everything before it reads would lose the answer to a reset. Node closes at once after the end of
 * an answer when the client asked for `Connection: close`, so the end waits, not the bytes.
 */
export function endAnswer(res: ServerResponse, body: Buffer): void {
  if (res.req.complete) {
    res.end(body);
    return;
  }
  res.write(body);
  void discardBody(res.req).then(() => {
    res.end();
  });
}

/** Bounds what is read of a body after its answer: Node itself would read on without end. */
export function boundUnreadBody(req: IncomingMessage, res: ServerResponse): void {
  res.once('finish', () => {
    if (!req.complete) void discardBody(req);
  });
}

/** Reads a body away; past the bounds the connection is cut. Never rejects. */
function discardBody(req: IncomingMessage): Promise<void> {
  const { socket } = req;
  const start = socket.bytesRead;
  const deadline = performance.now() + DISCARD_MS;
  return new Promise((resolve) => {
    // Node tells nobody of the bytes of a body that it discards itself: they have to be looked for.
    const check = setInterval(() => {
      if (socket.bytesRead - start > DISCARD_BYTES || performance.now() > deadline) {
        socket.destroy();
        done();
      }
    }, CHECK_MS);
    const done = (): void => {
      clearInterval(check);
      resolve();
    };
    if (req.destroyed) done();
    req.once('end', done).once('close', done).once('error', done);
    // A body of which some was read stays paused, for a reader that has given up: Node discards the
    // rest only of an untouched one.
    req.removeAllListeners('readable');
    req.resume();
  });
}
