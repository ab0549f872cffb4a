import { Dicer } from '@fastify/busboy';
import { once } from 'node:events';
import type { Readable } from 'node:stream';

import type { ByteSource } from '../../../storage/object-store.ts';
import { HttpError } from '../../http/errors.ts';

/** A part of a multipart body: read it, or what follows never comes. */
export interface MultipartPart {
  /** Of its `Content-Disposition`; undefined when it has none. */
  readonly fileName: string | undefined;
  readonly body: AsyncIterable<Buffer>;
}

/** `multipart/form-data`, or `multipart/mixed`, which flat-manager's client sends. */
const TYPE =
  /^multipart\/(?:form-data|mixed)\s*;(?:[^"]|"[^"]*")*?\bboundary=(?:"([^"]{1,70})"|([^\s;"]{1,70}))(?=\s*(?:;|$))/i;

/** The boundary in a Content-Type; throws `unsupported_media_type` for another type. */
export function multipartBoundary(contentType: string | undefined): string {
  const [, quoted, plain] = TYPE.exec(contentType ?? '') ?? [];
  const boundary = quoted ?? plain;
  if (boundary !== undefined) return boundary;
  throw new HttpError(
    'unsupported_media_type',
    `the body's type is ${JSON.stringify((contentType ?? 'missing').slice(0, 100))}: send multipart/form-data with a boundary`,
  );
}

/**
 * The parts of a multipart body (RFC 2046, 5.1) as they come in; what a part's reader leaves is read
 * away. Holds one piece of the source and no more. Throws `invalid_body` for a body that is none or is
 * cut off; errors of the source pass through, out of the part that they cut off too.
 */
export async function* readMultipart(
  source: ByteSource,
  boundary: string,
): AsyncGenerator<MultipartPart, void> {
  const parts = new Parts(boundary);
  const stop = new AbortController();
  const feeding = parts.feed(source, stop.signal);
  try {
    for (;;) {
      const part = await parts.next();
      if (part === undefined) return;
      yield part;
      parts.skipRest();
    }
  } finally {
    stop.abort();
    parts.destroy();
    await feeding;
  }
}

class Parts {
  readonly #dicer: Dicer;
  readonly #ready: (MultipartPart & { readonly part: Readable })[] = [];
  /** The one that is being read. */
  #current: Readable | undefined;
  #begun = 0;
  #named = 0;
  #last: Readable | undefined;
  #fault: { readonly error: unknown } | undefined;
  #hasEnded = false;
  #wake: () => void = () => undefined;

  constructor(boundary: string) {
    this.#dicer = new Dicer({ boundary });
    this.#dicer.on('part', (part) => {
      this.#begun += 1;
      this.#last = part;
      // Whoever reads the part is told; until then nobody listens.
      part.on('error', () => undefined);
      part.once('header', (header) => {
        this.#named += 1;
        this.#ready.push({ fileName: fileNameOf(header), body: this.#bodyOf(part), part });
        this.#wake();
      });
    });
    this.#dicer.on('error', () => {
      this.#fail(broken('it is cut off, or no multipart body'));
    });
    this.#dicer.on('finish', () => {
      this.#hasEnded = true;
      this.#wake();
    });
  }

  /** Never rejects: a fault comes out of {@link next}, after the parts before it. */
  async feed(source: ByteSource, signal: AbortSignal): Promise<void> {
    try {
      for await (const bytes of source) {
        if (!this.#dicer.write(bytes)) await once(this.#dicer, 'drain', { signal });
        if (signal.aborted) return;
      }
      this.#dicer.end();
    } catch (error) {
      if (!signal.aborted) this.#fail(error);
    }
  }

  async next(): Promise<MultipartPart | undefined> {
    for (;;) {
      const next = this.#ready.shift();
      if (next !== undefined) {
        this.#current = next.part;
        return next;
      }
      if (this.#fault !== undefined) throw this.#fault.error;
      if (this.#hasEnded) {
        if (this.#begun === this.#named) return undefined;
        throw broken('a part has no whole header');
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Reads away what the reader of a part left of it. */
  skipRest(): void {
    this.#current?.resume();
  }

  destroy(): void {
    this.#dicer.destroy();
    for (const { part } of this.#ready) part.destroy();
    this.#current?.destroy();
    this.#last?.destroy();
  }

  /** A part that is cut off tells so in the parser's words: the fault itself says more. */
  async *#bodyOf(part: Readable): AsyncGenerator<Buffer, void> {
    try {
      for await (const bytes of part) yield bytes as Buffer;
    } catch (error) {
      throw this.#fault?.error ?? error;
    }
  }

  #fail(error: unknown): void {
    this.#fault ??= { error };
    this.#last?.destroy(error instanceof Error ? error : new Error(String(error)));
    this.#wake();
  }
}

function fileNameOf(header: object): string | undefined {
  const values: unknown = Reflect.get(header, 'content-disposition');
  const value: unknown = Array.isArray(values) ? values[0] : undefined;
  if (typeof value !== 'string') return undefined;
  const [, quoted, plain] = /;\s*filename=(?:"([^"]*)"|([^\s;"]+))/i.exec(value) ?? [];
  return quoted ?? plain;
}

function broken(problem: string): HttpError {
  return new HttpError('invalid_body', `the multipart body: ${problem}`);
}
