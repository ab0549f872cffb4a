import { Readable } from 'node:stream';
import { setTimeout as sleep } from 'node:timers/promises';

import { HttpError } from '../../../../server/http/errors.ts';
import type { Exchange } from '../../../../server/http/exchange.ts';
import { sendBlob } from '../../../../server/http/send-blob.ts';
import { sendDocument } from '../../../../server/ostree/send-document.ts';
import { SUMMARY_HEADER } from '../../../../server/ostree/summary-header.ts';
import { digestOf } from '../../../../storage/digest.ts';
import type { ByteRange } from '../../../../storage/object-store.ts';
import { FakeOrigin } from '../origin.ts';
import { startOrigin } from '../tools.ts';

const STEP = 64 * 1024;
const PREFIX = '/ostree/fleet/os/';
const IMMUTABLE = /\.(filez|dirtree|dirmeta|commit)$|\/\d+$/;

/** The repository `fleet/os` of an origin whose files a test sets, sent by the product's own means. */
export class FakeRepo {
  readonly origin: FakeOrigin;
  /** By the path inside. */
  readonly files = new Map<string, Buffer>();
  /** `GET path` with the Range, as they came. */
  readonly asked: string[] = [];
  /** Body bytes of what never changes. */
  sent = 0;
  /** Called before a request is answered. */
  before: ((inside: string) => Promise<void> | void) | undefined;
  /** Between two steps of what never changes. */
  pauseMs = 0;
  /** Changes bytes of an answer. */
  spoil: ((bytes: Buffer) => Buffer) | undefined;

  private constructor(origin: FakeOrigin) {
    this.origin = origin;
    origin.intercept = (x) => this.#answer(x);
  }

  static async start(): Promise<FakeRepo> {
    return new FakeRepo(await startOrigin());
  }

  /** Sets a summary and, if it is signed, its signatures. */
  publish(summary: string, signatures?: string): void {
    this.files.set('summary', Buffer.from(summary));
    if (signatures === undefined) this.files.delete('summary.sig');
    else this.files.set('summary.sig', Buffer.from(signatures));
  }

  async #answer(x: Exchange): Promise<boolean> {
    if (!x.path.startsWith(PREFIX)) return false;
    const inside = x.path.slice(PREFIX.length);
    const { method = '', headers } = x.req;
    this.asked.push([method, inside, headers.range].filter(Boolean).join(' '));
    await this.before?.(inside);
    const bytes = this.files.get(inside);
    if (bytes === undefined) throw new HttpError('not_found', `no ${inside}`);
    if (!IMMUTABLE.test(inside)) {
      const summary = inside === 'summary.sig' ? this.files.get('summary') : undefined;
      const more = summary === undefined ? {} : { [SUMMARY_HEADER]: digestOf(summary) };
      sendDocument(x, { bytes, headers: more }, Date.now);
      return true;
    }
    await sendBlob(x, {
      digest: digestOf(bytes),
      size: bytes.length,
      open: (range) =>
        Promise.resolve(Readable.from(this.#read(bytes, range), { highWaterMark: 1 })),
    });
    return true;
  }

  async *#read(bytes: Buffer, { start, endExclusive }: ByteRange): AsyncGenerator<Buffer> {
    const whole = this.spoil?.(Buffer.from(bytes.subarray(start, endExclusive)));
    for (let at = start; at < endExclusive; at += STEP) {
      if (this.pauseMs > 0) await sleep(this.pauseMs);
      const end = Math.min(at + STEP, endExclusive);
      this.sent += end - at;
      yield whole?.subarray(at - start, end - start) ?? bytes.subarray(at, end);
    }
  }
}
