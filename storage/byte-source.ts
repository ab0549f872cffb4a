import {
  DigestHasher,
  digestAlgorithm,
  digestMismatch,
  sizeMismatch,
  type Expected,
} from './digest.ts';
import { abortedError } from './durable.ts';
import type { ByteSource, IoOptions } from './object-store.ts';

export interface SourceOptions extends IoOptions {
  /** For messages. */
  readonly what: string;
}

/**
 * The source's pieces until it ends or the signal fires (`aborted`), even while the source hangs.
 * A reader that stops early never waits for a source that hangs, which `stream.pipeline` does.
 */
export async function* abortable(
  source: ByteSource,
  options: SourceOptions,
): AsyncGenerator<Uint8Array, void, undefined> {
  const pieces = iterate(source);
  let ended = false;
  try {
    for (;;) {
      const next = await untilAborted(Promise.resolve(pieces.next()), options);
      if (next.done === true) {
        ended = true;
        return;
      }
      yield next.value;
    }
  } finally {
    if (!ended) abandon(pieces);
  }
}

/**
 * The source's pieces, checked: throws `size_mismatch` as soon as there are too many bytes, and in
 * place of the end `size_mismatch` or `digest_mismatch` when the promise was not kept. Throws
 * `aborted` when the signal fires.
 */
export async function* checkedBytes(
  source: ByteSource,
  options: SourceOptions & { readonly expected?: Expected | undefined },
): AsyncGenerator<Uint8Array, void, undefined> {
  const { what, expected = {} } = options;
  const { digest, size } = expected;
  const hasher = digest === undefined ? undefined : new DigestHasher(digestAlgorithm(digest));
  let seen = 0;
  for await (const bytes of abortable(source, options)) {
    seen += bytes.length;
    if (size !== undefined && seen > size) throw sizeMismatch(what, size, `more than ${size}`);
    hasher?.update(bytes);
    if (bytes.length > 0) yield bytes;
  }
  if (size !== undefined && seen !== size) throw sizeMismatch(what, size, seen);
  const actual = hasher?.digest();
  if (digest !== undefined && actual !== undefined && actual !== digest)
    throw digestMismatch(what, digest, actual);
}

/** Reads the source only to check it, as {@link checkedBytes} does. */
export async function checkBytes(
  source: ByteSource,
  options: SourceOptions & { readonly expected: Expected },
): Promise<void> {
  const pieces = checkedBytes(source, options);
  while ((await pieces.next()).done !== true);
}

type Pieces = AsyncIterator<Uint8Array> | Iterator<Uint8Array>;

function iterate(source: ByteSource): Pieces {
  return Symbol.asyncIterator in source
    ? source[Symbol.asyncIterator]()
    : source[Symbol.iterator]();
}

/** Lets the source clean up, without waiting for it. */
function abandon(pieces: Pieces): void {
  // Whatever it says now, the reader is gone and has its own reason.
  Promise.resolve(pieces.return?.()).catch(() => undefined);
}

async function untilAborted<T>(work: Promise<T>, { signal, what }: SourceOptions): Promise<T> {
  if (signal === undefined) return work;
  return new Promise<T>((resolve, reject) => {
    const onAbort = (): void => {
      reject(abortedError(signal, what));
    };
    if (signal.aborted) onAbort();
    else signal.addEventListener('abort', onAbort, { once: true });
    work.then(resolve, reject).finally(() => {
      signal.removeEventListener('abort', onAbort);
    });
  });
}
