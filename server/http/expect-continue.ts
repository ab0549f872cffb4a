import type { IncomingMessage, ServerResponse } from 'node:http';

/**
 * Answers `Expect: 100-continue` (RFC 9110, 10.1.1) when the body is first read, so that a refusal
 * goes out before the body is sent. A client that was refused may send the body or not: only the end
 * of the connection tells what follows.
 */
export function continueOnRead(req: IncomingMessage, res: ServerResponse): void {
  const read = req._read.bind(req);
  res.setHeader('Connection', 'close');
  req._read = (size) => {
    req._read = read;
    if (!res.headersSent) {
      res.removeHeader('Connection');
      res.writeContinue();
    }
    read(size);
  };
}
