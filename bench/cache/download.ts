import { createHash } from 'node:crypto';
import { Agent, request } from 'node:http';
import { setTimeout as sleep } from 'node:timers/promises';

import type { BenchBlob } from '../serve/content.ts';

export interface DownloadOptions {
  /** Leaves after so many bytes. */
  readonly leaveAfter?: number | undefined;
  /** Waits so long after each part. */
  readonly pauseMs?: number | undefined;
  /** False: the bytes are counted and not digested. */
  readonly digest?: boolean | undefined;
}

/** How a download ended: whole and right or wrong, left on purpose, or broken. */
export type Download =
  | { readonly kind: 'right' | 'wrong' | 'left'; readonly bytes: number }
  | { readonly kind: 'broken'; readonly bytes: number; readonly why: string };

/** Downloads a blob on a connection of its own; never rejects. */
export function download(
  url: string,
  blob: BenchBlob,
  { leaveAfter = Infinity, pauseMs = 0, digest = true }: DownloadOptions = {},
): Promise<Download> {
  let bytes = 0;
  return new Promise((resolve) => {
    const broken = (error: Error): void => {
      resolve({ kind: 'broken', bytes, why: error.message });
    };
    const req = request(url, { agent: new Agent({ keepAlive: false }) }, (res) => {
      const read = async (): Promise<void> => {
        if (res.statusCode !== 200) {
          res.resume();
          resolve({ kind: 'broken', bytes, why: `status ${res.statusCode ?? 0}` });
          return;
        }
        const hash = createHash('sha256');
        for await (const part of res as AsyncIterable<Buffer>) {
          bytes += part.length;
          if (digest) hash.update(part);
          // Leaving the loop cuts the connection.
          if (bytes >= leaveAfter) break;
          if (pauseMs > 0) await sleep(pauseMs);
        }
        if (bytes >= leaveAfter && bytes < blob.bytes) resolve({ kind: 'left', bytes });
        else {
          const right = digest
            ? `sha256:${hash.digest('hex')}` === blob.digest
            : bytes === blob.bytes;
          resolve({ kind: right ? 'right' : 'wrong', bytes });
        }
      };
      read().catch(broken);
    });
    req.on('error', broken);
    req.end();
  });
}
