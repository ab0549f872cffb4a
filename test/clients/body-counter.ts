import { once } from 'node:events';
import { createServer, request } from 'node:http';
import { pipeline } from 'node:stream/promises';

/** A way to another server that tells how many bytes of body came from each of its paths. */
export interface BodyCounter {
  readonly url: string;
  /** Bytes of the bodies of 200 whose path fits, each answer counted. */
  bytes(path: RegExp): number;
  /** How many such answers there were. */
  answers(path: RegExp): number;
  forget(): void;
  readonly close: () => Promise<void>;
}

/** Starts one on loopback; the server behind it sees the name and port that the client asked for. */
export async function startBodyCounter(target: string): Promise<BodyCounter> {
  const { hostname, port } = new URL(target);
  const seen: { readonly path: string; readonly bytes: number }[] = [];
  const server = createServer((req, res) => {
    const { method, url: path = '', headers } = req;
    const onward = request({ hostname, port, method, path, headers }, (answer) => {
      let bytes = 0;
      answer.on('data', (part: Buffer) => {
        bytes += part.length;
      });
      res.writeHead(answer.statusCode ?? 502, answer.headers);
      pipeline(answer, res).then(
        () => {
          if (answer.statusCode === 200) seen.push({ path, bytes });
        },
        () => res.destroy(),
      );
    });
    onward.on('error', () => res.destroy());
    req.pipe(onward);
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  const address = server.address();
  if (address === null || typeof address === 'string') throw new Error('no port');
  const fitting = (path: RegExp) => seen.filter((one) => path.test(one.path));
  return {
    url: `http://127.0.0.1:${address.port}`,
    bytes: (path) => fitting(path).reduce((sum, { bytes }) => sum + bytes, 0),
    answers: (path) => fitting(path).length,
    forget() {
      seen.length = 0;
    },
    async close() {
      server.closeAllConnections();
      server.close();
      await once(server, 'close');
    },
  };
}
