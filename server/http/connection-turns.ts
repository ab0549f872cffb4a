import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Duplex } from 'node:stream';

interface Turn {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  /** The answer that is sent before. */
  readonly before: ServerResponse | undefined;
}

/**
 * Lets the requests of one connection be worked on one after the other, in the order in which they
 * came. `node:http` hands out all pipelined requests at once: a packet of a thousand would open a
 * thousand files, and one whose client leaves before its turn would never be told so.
 */
export class ConnectionTurns {
  readonly #last = new WeakMap<Duplex, Turn>();

  /** Runs `work` once all earlier answers are sent; never when the connection ends before. */
  take(req: IncomingMessage, res: ServerResponse, work: () => void): void {
    const { socket } = req;
    const before = this.#last.get(socket)?.res;
    const turn: Turn = { req, res, before };
    this.#last.set(socket, turn);
    // An idle connection should not hold its last request and all that came with it.
    res.once('close', () => {
      if (this.#last.get(socket) === turn) this.#last.delete(socket);
    });
    after(before, socket, work);
  }

  /**
   * Runs `work` once the connection owes no answer to a whole request; never when it ends before.
   * `begun`: an answer to a request that did not come whole has gone out, or a part of it.
   */
  afterWhole(socket: Duplex, work: (begun: boolean) => void): void {
    const last = this.#last.get(socket);
    const isBroken = last?.req.complete === false && !last.res.closed;
    after(isBroken ? last.before : last?.res, socket, () => {
      work(isBroken && last.res.headersSent);
    });
  }
}

function after(answer: ServerResponse | undefined, socket: Duplex, work: () => void): void {
  if (answer === undefined || answer.closed) {
    work();
    return;
  }
  answer.once('close', () => {
    // Not writable: that answer was said to be the last one (RFC 9112, 9.6).
    if (socket.writable) work();
  });
}
